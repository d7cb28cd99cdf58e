// The product's rows are the gradients by all gates of the step before on the way back.

fn a_at(row: u32) -> u32 {
    return gates_at(row_before() * dims.batch + min(row, dims.batch - 1u));
}
