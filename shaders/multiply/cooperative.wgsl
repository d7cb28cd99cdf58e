// Thirty-two rows and sixty-four columns per subgroup, sixty-four rows per workgroup, in as many rounds as
// the workgroup lacks subgroups: two subgroups of 32 lanes take one round, one of 64 lanes takes two.
// Subgroups past the second repeat another one's work, and their sums are thrown away: a branch around it is
// no way, since cooperative operations have to be in uniform control flow.
const ROWS: u32 = 64u;

fn multiply(row: u32, column: u32) {
    for (var first = 0u; first < ROWS; first += STRIP * subgroups) {
        let busy = min(subgroups, (ROWS - first) / STRIP);
        let own = min(first + STRIP * subgroup, ROWS - STRIP);
        // A variable per sum: naga has no arrays of cooperative matrices.
        var upper_0 = Sum();
        var upper_1 = Sum();
        var upper_2 = Sum();
        var upper_3 = Sum();
        var lower_0 = Sum();
        var lower_1 = Sum();
        var lower_2 = Sum();
        var lower_3 = Sum();
        for (var k = 0u; k < depth(); k += PIECE) {
            read_pieces(row, column, k);
            let a_upper = coopLoadT<MatrixA>(&a_piece[own * STRIDE], STRIDE);
            let a_lower = coopLoadT<MatrixA>(&a_piece[(own + 16u) * STRIDE], STRIDE);
            let b_0 = coopLoad<MatrixB>(&b_piece[0], STRIDE);
            let b_1 = coopLoad<MatrixB>(&b_piece[16u * STRIDE], STRIDE);
            let b_2 = coopLoad<MatrixB>(&b_piece[32u * STRIDE], STRIDE);
            let b_3 = coopLoad<MatrixB>(&b_piece[48u * STRIDE], STRIDE);
            upper_0 = coopMultiplyAdd(a_upper, b_0, upper_0);
            upper_1 = coopMultiplyAdd(a_upper, b_1, upper_1);
            upper_2 = coopMultiplyAdd(a_upper, b_2, upper_2);
            upper_3 = coopMultiplyAdd(a_upper, b_3, upper_3);
            lower_0 = coopMultiplyAdd(a_lower, b_0, lower_0);
            lower_1 = coopMultiplyAdd(a_lower, b_1, lower_1);
            lower_2 = coopMultiplyAdd(a_lower, b_2, lower_2);
            lower_3 = coopMultiplyAdd(a_lower, b_3, lower_3);
        }
        let into = subgroup * 16u * WIDTH;
        workgroupBarrier();
        if subgroup < busy {
            coopStoreT(upper_0, &sums[into], WIDTH);
            coopStoreT(upper_1, &sums[into + 16u], WIDTH);
            coopStoreT(upper_2, &sums[into + 32u], WIDTH);
            coopStoreT(upper_3, &sums[into + 48u], WIDTH);
        }
        workgroupBarrier();
        epilogue_sums(row + first, column, busy);
        workgroupBarrier();
        if subgroup < busy {
            coopStoreT(lower_0, &sums[into], WIDTH);
            coopStoreT(lower_1, &sums[into + 16u], WIDTH);
            coopStoreT(lower_2, &sums[into + 32u], WIDTH);
            coopStoreT(lower_3, &sums[into + 48u], WIDTH);
        }
        workgroupBarrier();
        epilogue_sums(row + first + 16u, column, busy);
    }
}
