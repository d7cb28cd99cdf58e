
// a_r, a_z
fn save(at: u32, x: Gates, h: Gates) {
    input_gates[INPUT_ROW * at] = Number(x.x + h.x);
    input_gates[INPUT_ROW * at + 1u] = Number(x.y + h.y);
}
