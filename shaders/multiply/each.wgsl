// An invocation computes some rows of a column.
const ROWS: u32 = {ROWS}u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_{r} = a_at(row + {r}u);
    var sum_{r} = Gates();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        sum_{r} = accumulate(sum_{r}, read_a(at_{r} + k), b);
    }
    epilogue(row + {r}u, column, sum_{r});
}
