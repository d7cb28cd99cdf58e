// One row, its K split.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at = row_at(row);
    let weights = right_at(column);
    var sum = Gates();
    for (var k = slice; k < depth(); k += SLICES) {
        sum = fold(sum, left(at + k), right(weights, k));
    }
    put(column, 0u, sum);
    finish_split(row, column);
}
