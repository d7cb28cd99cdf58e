// An invocation has a part of K for some rows of a column: UNROLLED adjacent vectors, then further ones.
const ROWS: u32 = {ROWS}u;
const SLICES: u32 = {SLICES}u;
const UNROLLED: u32 = {UNROLLED}u;

fn multiply(row: u32, column: u32) {
    let first = slice * UNROLLED;
    let at_b = b_at(column) + first * BLOCK;
    let at_{r} = a_at(row + {r}u) + first;
    var sum_{r} = Gates();
    // All slices have vectors in each of these turns: the loop counts alike in all lanes, which keeps the
    // count in scalar registers. Past them some slices have fewer vectors than others.
    let whole = depth() / (UNROLLED * SLICES) * (UNROLLED * SLICES);
    for (var k = 0u; k < whole; k += UNROLLED * SLICES) {
        // A bound that a compiler sees lets it put the rest of an address into an instruction.
        let own = k & 0xffffu;
        let b_{j} = read_b(at_b, own + {j}u);
        sum_{r} = accumulate(sum_{r}, read_a(at_{r} + own + {j}u), b_{j});
    }
    for (var k = whole + slice; k < depth(); k += SLICES) {
        let b = read_b(at_b - first * BLOCK, k);
        sum_{r} = accumulate(sum_{r}, read_a(at_{r} + k - first), b);
    }
    put(column, {r}u, sum_{r});
    finish(row, column);
}

// All reads at once, since a loop would wait for each.
fn sum_of_slices(at: u32) -> Gates {
    let part_{s} = partial[at + {s}u * BLOCK * ROWS];
    var sum = Gates();
    sum += part_{s};
    return sum;
}
