// Pieces of weights of two gates: each gate by itself, so that neighbours read neighbours.
const GATES: u32 = 2u;

fn write_b_piece(at: u32, b: Weights) {
    b_piece[at] = b[0];
    b_piece[at + COLUMNS] = b[1];
}

fn read_b_piece(at: u32) -> Weights {
    return Weights(b_piece[at], b_piece[at + COLUMNS]);
}
