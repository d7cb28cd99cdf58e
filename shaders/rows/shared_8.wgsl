// Eight rows an invocation, read by eight lanes.
const ROWS: u32 = 8u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = row_at(row + lane);
    var sum_0 = Quad();
    var sum_4 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(weights, k);
        let x_0 = left(at_0 + k);
        fold_low(&sum_0, x_0, w);
        fold_high(&sum_4, x_0, w);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
}
