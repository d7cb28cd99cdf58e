// Eight rows an invocation: each weight that is read is used eight times.
const ROWS: u32 = 8u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = quad_at(row);
    let at_4 = quad_at(row + 4u);
    var sum_0 = Quad();
    var sum_4 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(weights, k);
        fold_quad(&sum_0, at_0 + k, w);
        fold_quad(&sum_4, at_4 + k, w);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
}
