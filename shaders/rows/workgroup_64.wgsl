// Eight rows and two columns an invocation, sixty-four rows a workgroup.
const ROWS: u32 = 64u;

fn multiply(row: u32, column: u32) {
    let own = lane / 8u;
    let first_column = column - lane % 8u;
    var sum_0 = Quad();
    var sum_32 = Quad();
    var other_0 = Quad();
    var other_32 = Quad();
    for (var k = 0u; k < depth(); k += PIECE) {
        read_pieces(row, first_column, k);
        for (var piece = 0u; piece < PIECE; piece += 1u) {
            let w = right_of(piece, lane % 8u);
            let other = right_of(piece, lane % 8u + 8u);
            let at = piece * ROWS + own;
            fold_piece(&sum_0, at, w);
            fold_piece(&sum_32, at + 32u, w);
            fold_piece(&other_0, at, other);
            fold_piece(&other_32, at + 32u, other);
        }
    }
    finish_piece(row + own, column, sum_0);
    finish_piece(row + own + 32u, column, sum_32);
    finish_piece(row + own, column + 8u, other_0);
    finish_piece(row + own + 32u, column + 8u, other_32);
}
