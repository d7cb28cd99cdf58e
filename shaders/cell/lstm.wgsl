// Gates i, f, g, o:
// c_t = sigmoid(f) c_{t-1} + sigmoid(i) tanh(g)
// h_t = sigmoid(o) tanh(c_t)
fn cell(x: Gates, h: Gates, previous: State) -> State {
    let a = x + h;
    let c = sigmoid(a.y) * previous.c + sigmoid(a.x) * safe_tanh(a.z);
    return State(sigmoid(a.w) * safe_tanh(c), c);
}
