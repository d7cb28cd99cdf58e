// Sums end in registers: a GEMM does little with them, a part of K stores them.
fn end_of_sum(row: u32, first: u32, own_row: u32, own_column: u32, sum: Gates) {
    epilogue(row + own_row, first + own_column, sum);
}

fn end_of_sums(row: u32, first: u32) {
}
