// One unit per sum, which another dispatch adds to those of the other parts of K.
const UNITS: u32 = 1u;

fn epilogue(row: u32, column: u32, sum: Gates) {
    if row < dims.batch && column < dims.units {
        carry[part_at(part, row, column)] = sum;
    }
}

fn run_tile(row: u32, column: u32) {
    multiply(row, column);
}
