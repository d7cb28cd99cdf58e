// Four rows per invocation.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_0 = quad_at(row);
    var sum_0 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        accumulate_quad(&sum_0, at_0 + k, b);
    }
    epilogue_quad(row, column, sum_0);
}
