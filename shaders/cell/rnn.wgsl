// h_t = F(x + h)
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(gate_activation(x + h), previous.c);
}
