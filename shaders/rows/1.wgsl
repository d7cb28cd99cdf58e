// One row per invocation: for a batch of one, or to have enough invocations for a GPU.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at_a = a_at(row);
    let at_b = b_at(column);
    var sum = Gates();
    for (var k = 0u; k < depth(); k += 1u) {
        sum = accumulate(sum, read_a(at_a + k), read_b(at_b, k));
    }
    epilogue(row, column, sum);
}
