// Weights are read in every step.
fn keep(column: u32) {}
