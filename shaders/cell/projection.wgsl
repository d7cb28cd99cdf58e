// r_t = W_hr m_t, the product itself.
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(h, previous.c);
}
