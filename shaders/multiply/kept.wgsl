// An invocation computes some rows of a column, whose weights stay in registers for all time steps.
const ROWS: u32 = {ROWS}u;

var<private> kept_{j}: Weights;

// Reads the weights, before the first step. The driver knows DEPTH, so that no branch is left.
fn keep(column: u32) {
    let at_b = b_at(column);
    if {j}u < DEPTH { kept_{j} = read_b(at_b, {j}u); }
}

fn multiply(row: u32, column: u32) {
    let at_{r} = a_at(row + {r}u);
    var sum_{r} = Gates();
    if {j}u < DEPTH { sum_{r} = accumulate(sum_{r}, read_a(at_{r} + {j}u), kept_{j}); }
    epilogue(row + {r}u, column, sum_{r});
}
