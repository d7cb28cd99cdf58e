// Eight rows per invocation, read by eight lanes.
const ROWS: u32 = 8u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_0 = a_at(row + lane);
    var sum_0 = Quad();
    var sum_4 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        let a_0 = read_a(at_0 + k);
        accumulate_low(&sum_0, a_0, b);
        accumulate_high(&sum_4, a_0, b);
    }
    epilogue_quad(row, column, sum_0);
    epilogue_quad(row + 4u, column, sum_4);
}
