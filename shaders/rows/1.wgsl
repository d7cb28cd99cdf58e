// One row an invocation: for a batch of one, or to have enough invocations for a GPU.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at = row_at(row);
    let weights = right_at(column);
    var sum = Gates();
    for (var k = 0u; k < depth(); k += 1u) {
        sum = fold(sum, left(at + k), right(weights, k));
    }
    finish(row, column, sum);
}
