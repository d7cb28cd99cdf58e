// Four rows, their K split.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let weights = right_at(column);
    let at_0 = quad_at(row);
    var sum_0 = Quad();
    for (var k = slice; k < depth(); k += SLICES) {
        let w = right(weights, k);
        fold_quad(&sum_0, at_0 + k, w);
    }
    put(column, 0u, sum_0.r0);
    put(column, 1u, sum_0.r1);
    put(column, 2u, sum_0.r2);
    put(column, 3u, sum_0.r3);
    finish_split(row, column);
}
