// Gates r, z, n; reset after the recurrent product:
// n = g(x_n + f(r) h_n)
// h_t = (1 - f(z)) n + f(z) h_{t-1}
fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let r = f_of(x.x + h.x);
    let z = f_of(x.y + h.y);
    let n = g_of(x.z + r * h.z);
    return State((1.0 - z) * n + z * previous.h, previous.c);
}
