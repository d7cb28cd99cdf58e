// The first phase of a GRU with reset before the recurrent product, gates r and z: gives F(r) h_{t-1} to the
// second phase's product, and F(z) in the place of c.
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(gate_activation(x.x + h.x) * previous.h, gate_activation(x.y + h.y));
}
