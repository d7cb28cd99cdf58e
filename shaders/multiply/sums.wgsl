// The sums of the parts of K, which are added in their order.
const ROWS: u32 = 1u;
const PARTS: u32 = {PARTS}u;

fn multiply(row: u32, column: u32) {
    let known = min(column, dims.units - 1u);
    let part_{s} = carry[part_at({s}u, row, known)];
    var sum = Gates();
    sum += part_{s};
    epilogue(row, column, sum);
}
