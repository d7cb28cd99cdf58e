// Four rows, and an eighth of K per invocation.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_0 = quad_at(row);
    var sum_0 = Quad();
    for (var k = slice; k < depth(); k += SLICES) {
        let b = read_b(at_b, k);
        accumulate_quad(&sum_0, at_0 + k, b);
    }
    put(column, 0u, sum_0.r0);
    put(column, 1u, sum_0.r1);
    put(column, 2u, sum_0.r2);
    put(column, 3u, sum_0.r3);
    epilogue_split(row, column);
}
