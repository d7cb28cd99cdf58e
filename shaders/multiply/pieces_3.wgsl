// Pieces of weights of three gates: each gate by itself, so that neighbours read neighbours.
const GATES: u32 = 3u;

fn write_b_piece(at: u32, b: Weights) {
    b_piece[at] = b[0];
    b_piece[at + COLUMNS] = b[1];
    b_piece[at + 2u * COLUMNS] = b[2];
}

fn read_b_piece(at: u32) -> Weights {
    return Weights(b_piece[at], b_piece[at + COLUMNS], b_piece[at + 2u * COLUMNS]);
}
