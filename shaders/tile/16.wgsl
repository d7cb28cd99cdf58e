// Sixteen rows a thread: fewest reads, most registers; for CPU adapters, whose reads are dear.
const ROWS: u32 = 16u;

fn multiply(row: u32, column: u32) {
    let at_0 = row_at(row + vec4(0u, 1u, 2u, 3u));
    let at_4 = row_at(row + vec4(4u, 5u, 6u, 7u));
    let at_8 = row_at(row + vec4(8u, 9u, 10u, 11u));
    let at_12 = row_at(row + vec4(12u, 13u, 14u, 15u));
    var sum_0 = Quad();
    var sum_4 = Quad();
    var sum_8 = Quad();
    var sum_12 = Quad();
    for (var k = 0u; k < depth(); k += 1u) {
        let w = right(k, column);
        accumulate(&sum_0, w, at_0 + k);
        accumulate(&sum_4, w, at_4 + k);
        accumulate(&sum_8, w, at_8 + k);
        accumulate(&sum_12, w, at_12 + k);
    }
    finish_quad(row, column, sum_0);
    finish_quad(row + 4u, column, sum_4);
    finish_quad(row + 8u, column, sum_8);
    finish_quad(row + 12u, column, sum_12);
}
