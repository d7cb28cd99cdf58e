// An invocation computes some rows of a column, UNROLLED vectors of k at a time.
const ROWS: u32 = {ROWS}u;
const UNROLLED: u32 = {UNROLLED}u;

fn multiply(row: u32, column: u32) {
    let at_b = b_at(column);
    let at_{r} = a_at(row + {r}u);
    var sum_{r} = Gates();
    var k = 0u;
    for (; k + UNROLLED <= depth(); k += UNROLLED) {
        // A bound that a compiler sees lets it put the rest of an address into an instruction.
        let own = k & 0xffffu;
        let b_{j} = read_b(at_b, own + {j}u);
        sum_{r} = accumulate(sum_{r}, read_a(at_{r} + own + {j}u), b_{j});
    }
    for (; k < depth(); k += 1u) {
        let b = read_b(at_b, k);
        sum_{r} = accumulate(sum_{r}, read_a(at_{r} + k), b);
    }
    epilogue(row + {r}u, column, sum_{r});
}
