// One row a thread: for a batch of one.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at = row_at(vec4(row)).x;
    var sum = Gates();
    for (var k = 0u; k < depth(); k += 1u) {
        sum += right(k, column) * left(at + k);
    }
    finish(row, column, sum);
}
