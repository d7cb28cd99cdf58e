// Thirty-two rows and sixty-four columns a subgroup, sixty-four rows a workgroup, in as many rounds as it lacks subgroups for them:
// two of 32 lanes do it in one, one of 64 lanes in two; those past the second do what another one does, and throw it away, since a
// branch would not do: all of these operations have to be in uniform control flow.
const ROWS: u32 = 64u;

fn multiply(row: u32, column: u32) {
    for (var first = 0u; first < ROWS; first += STRIP * subgroups) {
        let busy = min(subgroups, (ROWS - first) / STRIP);
        let own = min(first + STRIP * subgroup, ROWS - STRIP);
        // A variable each: naga has no arrays of them.
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
            let upper = coopLoadT<Left>(&left_piece[own * STRIDE], STRIDE);
            let lower = coopLoadT<Left>(&left_piece[(own + 16u) * STRIDE], STRIDE);
            let right_0 = coopLoad<Right>(&right_piece[0], STRIDE);
            let right_1 = coopLoad<Right>(&right_piece[16u * STRIDE], STRIDE);
            let right_2 = coopLoad<Right>(&right_piece[32u * STRIDE], STRIDE);
            let right_3 = coopLoad<Right>(&right_piece[48u * STRIDE], STRIDE);
            upper_0 = coopMultiplyAdd(upper, right_0, upper_0);
            upper_1 = coopMultiplyAdd(upper, right_1, upper_1);
            upper_2 = coopMultiplyAdd(upper, right_2, upper_2);
            upper_3 = coopMultiplyAdd(upper, right_3, upper_3);
            lower_0 = coopMultiplyAdd(lower, right_0, lower_0);
            lower_1 = coopMultiplyAdd(lower, right_1, lower_1);
            lower_2 = coopMultiplyAdd(lower, right_2, lower_2);
            lower_3 = coopMultiplyAdd(lower, right_3, lower_3);
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
        finish_sums(row + first, column, busy);
        workgroupBarrier();
        if subgroup < busy {
            coopStoreT(lower_0, &sums[into], WIDTH);
            coopStoreT(lower_1, &sums[into + 16u], WIDTH);
            coopStoreT(lower_2, &sums[into + 32u], WIDTH);
            coopStoreT(lower_3, &sums[into + 48u], WIDTH);
        }
        workgroupBarrier();
        finish_sums(row + first + 16u, column, busy);
    }
}
