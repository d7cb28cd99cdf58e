// Thirty-two rows an invocation, read by eight lanes.
const ROWS: u32 = 32u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = row_at(row + lane);
    let at_8 = row_at(row + 8u + lane);
    let at_16 = row_at(row + 16u + lane);
    let at_24 = row_at(row + 24u + lane);
    var sum_0 = Quad();
    var sum_4 = Quad();
    var sum_8 = Quad();
    var sum_12 = Quad();
    var sum_16 = Quad();
    var sum_20 = Quad();
    var sum_24 = Quad();
    var sum_28 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(weights, k);
        let x_0 = left(at_0 + k);
        fold_low(&sum_0, x_0, w);
        fold_high(&sum_4, x_0, w);
        let x_8 = left(at_8 + k);
        fold_low(&sum_8, x_8, w);
        fold_high(&sum_12, x_8, w);
        let x_16 = left(at_16 + k);
        fold_low(&sum_16, x_16, w);
        fold_high(&sum_20, x_16, w);
        let x_24 = left(at_24 + k);
        fold_low(&sum_24, x_24, w);
        fold_high(&sum_28, x_24, w);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
    finish_quad(row + 8u, column, sum_8);
    finish_quad(row + 12u, column, sum_12);
    finish_quad(row + 16u, column, sum_16);
    finish_quad(row + 20u, column, sum_20);
    finish_quad(row + 24u, column, sum_24);
    finish_quad(row + 28u, column, sum_28);
}
