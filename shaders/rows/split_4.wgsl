// Four rows, and an eighth of K per invocation.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let at_a = quad_at(row) + slice;
    let at_b = b_at(column) + slice * BLOCK;
    var sum = Quad();
    let whole = whole_turns();
    for (var k = 0u; k < whole; k += SLICES) {
        accumulate_quad(&sum, at_a + k, read_b(at_b, k));
    }
    if whole + slice < depth() {
        accumulate_quad(&sum, at_a + whole, read_b(at_b, whole));
    }
    put(column, 0u, sum.r0);
    put(column, 1u, sum.r1);
    put(column, 2u, sum.r2);
    put(column, 3u, sum.r3);
    epilogue_split(row, column);
}
