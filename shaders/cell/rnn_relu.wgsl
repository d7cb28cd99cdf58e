// h_t = max(x + h, 0); a NaN stays one.
fn cell(x: Gates, h: Gates, previous: State) -> State {
    let sum = x + h;
    return State(select(sum, 0.0, sum < 0.0), previous.c);
}
