// Gates r, z, n; reset after the recurrent product:
// n = tanh(x_n + sigmoid(r) h_n)
// h_t = (1 - sigmoid(z)) n + sigmoid(z) h_{t-1}
fn cell(x: Gates, h: Gates, previous: State) -> State {
    let r = sigmoid(x.x + h.x);
    let z = sigmoid(x.y + h.y);
    let n = safe_tanh(x.z + r * h.z);
    return State((1.0 - z) * n + z * previous.h, previous.c);
}
