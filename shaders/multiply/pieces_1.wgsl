// Pieces of weights of one gate: each gate by itself, so that neighbours read neighbours.
const GATES: u32 = 1u;

fn write_b_piece(at: u32, b: Weights) {
    b_piece[at] = b;
}

fn read_b_piece(at: u32) -> Weights {
    return b_piece[at];
}
