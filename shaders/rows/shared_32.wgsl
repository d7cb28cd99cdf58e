// Thirty-two rows per invocation, read by eight lanes.
const ROWS: u32 = 32u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_0 = a_at(row + lane);
    let at_8 = a_at(row + 8u + lane);
    let at_16 = a_at(row + 16u + lane);
    let at_24 = a_at(row + 24u + lane);
    var sum_0 = Quad();
    var sum_4 = Quad();
    var sum_8 = Quad();
    var sum_12 = Quad();
    var sum_16 = Quad();
    var sum_20 = Quad();
    var sum_24 = Quad();
    var sum_28 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        let a_0 = read_a(at_0 + k);
        accumulate_low(&sum_0, a_0, b);
        accumulate_high(&sum_4, a_0, b);
        let a_8 = read_a(at_8 + k);
        accumulate_low(&sum_8, a_8, b);
        accumulate_high(&sum_12, a_8, b);
        let a_16 = read_a(at_16 + k);
        accumulate_low(&sum_16, a_16, b);
        accumulate_high(&sum_20, a_16, b);
        let a_24 = read_a(at_24 + k);
        accumulate_low(&sum_24, a_24, b);
        accumulate_high(&sum_28, a_24, b);
    }
    epilogue_quad(row, column, sum_0);
    epilogue_quad(row + 4u, column, sum_4);
    epilogue_quad(row + 8u, column, sum_8);
    epilogue_quad(row + 12u, column, sum_12);
    epilogue_quad(row + 16u, column, sum_16);
    epilogue_quad(row + 20u, column, sum_20);
    epilogue_quad(row + 24u, column, sum_24);
    epilogue_quad(row + 28u, column, sum_28);
}
