// Sums go through the workgroup's memory: one copy of a cell's formula, and neighbouring invocations for
// neighbouring units.
var<workgroup> sums: array<Gates, ROWS * COLUMNS>;

fn end_of_sum(row: u32, first: u32, own_row: u32, own_column: u32, sum: Gates) {
    sums[own_row * COLUMNS + own_column] = sum;
}

fn end_of_sums(row: u32, first: u32) {
    workgroupBarrier();
    for (var i = lane; i < ROWS * COLUMNS; i += LANES) {
        epilogue(row + i / COLUMNS, first + i % COLUMNS, sums[i]);
    }
}
