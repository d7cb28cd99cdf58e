// Gates r, z, n; reset after the recurrent product:
// n = G(x_n + F(r) h_n)
// h_t = (1 - F(z)) n + F(z) h_{t-1}
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let r = gate_activation(x.x + h.x);
    let z = gate_activation(x.y + h.y);
    let n = candidate_activation(x.z + r * h.z);
    return State((1.0 - z) * n + z * previous.h, previous.c);
}
