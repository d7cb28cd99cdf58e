// Four adjacent units per invocation: fewer reads, for software adapters. The sums of all rows are kept until
// the product is done, and one loop takes them through the formula, whose text would else be there for each.
const UNITS: u32 = 4u;

var<private> sums_of_rows: array<vec4<f32>, ROWS>;
// A bit for each row whose sum is there.
var<private> pending: u32 = 0u;
var<private> first_pending: u32;

fn epilogue(row: u32, column: u32, sum: Gates) {
    sums_of_rows[row - first_pending] = sum;
    pending |= 1u << (row - first_pending);
}

fn run_tile(row: u32, column: u32) {
    first_pending = row;
    pending = 0u;
    multiply(row, column);
    for (var i = 0u; i < 4u * ROWS; i += 1u) {
        if ((pending >> (i / 4u)) & 1u) != 0u {
            unit_epilogue(row + i / 4u, 4u * column + i % 4u, sums_of_rows[i / 4u][i % 4u]);
        }
    }
}
