// h_t = f(x + h)
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(f_of(x + h), previous.c);
}
