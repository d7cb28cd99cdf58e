// Four rows an invocation.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = quad_at(row);
    var sum_0 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(weights, k);
        fold_quad(&sum_0, at_0 + k, w);
    }
    finish_quad(row, column, sum_0);
}
