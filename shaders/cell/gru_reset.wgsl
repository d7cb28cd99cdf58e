// Gates r and z of a GRU whose reset comes before the recurrent product: gives f(r) h_{t-1}, for the product to come, and,
// in the place of a cell state, f(z).
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(f_of(x.x + h.x) * previous.h, f_of(x.y + h.y));
}
