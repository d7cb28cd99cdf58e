// One row, and an eighth of K per invocation.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at_a = a_at(row);
    let at_b = b_at(column);
    var sum = Gates();
    for (var k = slice; k < depth(); k += SLICES) {
        sum = accumulate(sum, read_a(at_a + k), read_b(at_b, k));
    }
    put(column, 0u, sum);
    epilogue_split(row, column);
}
