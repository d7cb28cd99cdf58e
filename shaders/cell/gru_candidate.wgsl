// The second phase of a GRU with reset before the recurrent product, here h; the place of c holds z:
// n = G(x_n + h)
// h_t = (1 - z) n + z h_{t-1}
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let n = candidate_activation(x + h);
    return State((1.0 - previous.c) * n + previous.c * previous.h, previous.c);
}
