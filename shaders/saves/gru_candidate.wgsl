
// a_n
fn save(at: u32, x: Gates, h: Gates) {
    input_gates[INPUT_ROW * at + INPUT_FIRST] = Number(x + h);
}
