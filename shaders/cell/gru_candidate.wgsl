// The rest of a GRU whose reset comes before the recurrent product, which is then h; z is in the place of a cell state:
// n = g(x_n + h)
// h_t = (1 - z) n + z h_{t-1}
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let n = g_of(x + h);
    return State((1.0 - previous.c) * n + previous.c * previous.h, previous.c);
}
