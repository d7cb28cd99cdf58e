// Eight rows per invocation: each weight that is read is used eight times.
const ROWS: u32 = 8u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_0 = quad_at(row);
    let at_4 = quad_at(row + 4u);
    var sum_0 = Quad();
    var sum_4 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        accumulate_quad(&sum_0, at_0 + k, b);
        accumulate_quad(&sum_4, at_4 + k, b);
    }
    epilogue_quad(row, column, sum_0);
    epilogue_quad(row + 4u, column, sum_4);
}
