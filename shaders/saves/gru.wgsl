
// a_r, a_z, x_n, h_n
fn save(at: u32, x: Gates, h: Gates) {
    input_gates[INPUT_ROW * at] = Number(x.x + h.x);
    input_gates[INPUT_ROW * at + 1u] = Number(x.y + h.y);
    input_gates[INPUT_ROW * at + 3u] = Number(h.z);
}
