// Eight rows and two columns per invocation, sixty-four rows per workgroup. A sum bears the number of its
// first row and of its column.
const ROWS: u32 = 64u;

fn multiply(row: u32, column: u32) {
    let own = lane / 8u;
    let first_column = column - lane % 8u;
    var sum_0_0 = Quad();
    var sum_32_0 = Quad();
    var sum_0_8 = Quad();
    var sum_32_8 = Quad();
    for (var k = 0u; k < depth(); k += PIECE) {
        read_pieces(row, first_column, k);
        for (var piece = 0u; piece < PIECE; piece += 1u) {
            let b_0 = read_b_piece(piece, lane % 8u);
            let b_8 = read_b_piece(piece, lane % 8u + 8u);
            let at = piece * ROWS + own;
            accumulate_piece(&sum_0_0, at, b_0);
            accumulate_piece(&sum_32_0, at + 32u, b_0);
            accumulate_piece(&sum_0_8, at, b_8);
            accumulate_piece(&sum_32_8, at + 32u, b_8);
        }
    }
    epilogue_piece(row + own, column, sum_0_0);
    epilogue_piece(row + own + 32u, column, sum_32_0);
    epilogue_piece(row + own, column + 8u, sum_0_8);
    epilogue_piece(row + own + 32u, column + 8u, sum_32_8);
}
