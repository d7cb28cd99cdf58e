// Sixteen rows an invocation, read by eight lanes.
const ROWS: u32 = 16u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = row_at(row + lane);
    let at_8 = row_at(row + 8u + lane);
    var sum_0 = Quad();
    var sum_4 = Quad();
    var sum_8 = Quad();
    var sum_12 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(weights, k);
        let x_0 = left(at_0 + k);
        fold_low(&sum_0, x_0, w);
        fold_high(&sum_4, x_0, w);
        let x_8 = left(at_8 + k);
        fold_low(&sum_8, x_8, w);
        fold_high(&sum_12, x_8, w);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
    finish_quad(row + 8u, column, sum_8);
    finish_quad(row + 12u, column, sum_12);
}
