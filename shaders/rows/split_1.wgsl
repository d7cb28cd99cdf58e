// One row, and an eighth of K per invocation.
const ROWS: u32 = 1u;

fn multiply(row: u32, column: u32) {
    let at_a = a_at(row) + slice;
    let at_b = b_at(column) + slice * BLOCK;
    var sum = Gates();
    let whole = whole_turns();
    for (var k = 0u; k < whole; k += SLICES) {
        sum = accumulate(sum, read_a(at_a + k), read_b(at_b, k));
    }
    if whole + slice < depth() {
        sum = accumulate(sum, read_a(at_a + whole), read_b(at_b, whole));
    }
    put(column, 0u, sum);
    epilogue_split(row, column);
}
