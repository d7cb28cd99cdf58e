// Sums of four adjacent rows at one column. Rows are written out instead of looped over, since naga's loops keep a
// compiler from unrolling, and arrays with a changing index would live in slow memory.
struct Quad {
    r0: Gates,
    r1: Gates,
    r2: Gates,
    r3: Gates,
}

fn finish_quad(row: u32, column: u32, sum: Quad) {
    finish(row, column, sum.r0);
    finish(row + 1u, column, sum.r1);
    finish(row + 2u, column, sum.r2);
    finish(row + 3u, column, sum.r3);
}
