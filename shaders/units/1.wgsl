// One unit per invocation.
const UNITS: u32 = 1u;

fn epilogue(row: u32, column: u32, sum: Gates) {
    unit_epilogue(row, column, sum);
}

fn run_tile(row: u32, column: u32) {
    multiply(row, column);
}
