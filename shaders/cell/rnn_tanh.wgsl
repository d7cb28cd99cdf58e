// h_t = tanh(x + h)
fn cell(x: Gates, h: Gates, previous: State) -> State {
    return State(safe_tanh(x + h), previous.c);
}
