// Four rows a thread.
const ROWS: u32 = 4u;

fn multiply(row: u32, column: u32) {
    let at = row_at(row + vec4(0u, 1u, 2u, 3u));
    var sum = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        accumulate(&sum, right(k, column), at + k);
    }
    finish_quad(row, column, sum);
}
