// Eight rows a thread: each weight that is read is used eight times.
const ROWS: u32 = 8u;

fn multiply(row: u32, column: u32) {
    let at_0 = row_at(row + vec4(0u, 1u, 2u, 3u));
    let at_4 = row_at(row + vec4(4u, 5u, 6u, 7u));
    var sum_0 = Quad();
    var sum_4 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(k, column);
        accumulate(&sum_0, w, at_0 + k);
        accumulate(&sum_4, w, at_4 + k);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
}
