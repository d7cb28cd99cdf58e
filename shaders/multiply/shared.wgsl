// An invocation computes some eights of rows of a column; eight lanes of a subgroup read eight rows for each
// other. The function ends in a file of its own: rows_written or rows_looped.
const ROWS: u32 = {ROWS}u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_{e} = a_at(row + 8u * {e}u + lane);
    var sum_{e}_{n} = Gates();
    for (var k = 0u; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        let a_{e} = read_a(at_{e} + k);
        sum_{e}_{n} = accumulate(sum_{e}_{n}, subgroupBroadcast(a_{e}, {n}u), b);
    }
