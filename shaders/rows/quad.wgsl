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

// Where four rows begin.
fn quad_at(row: u32) -> vec4<u32> {
    return vec4(row_at(row), row_at(row + 1u), row_at(row + 2u), row_at(row + 3u));
}

fn fold_quad(sum: ptr<function, Quad>, at: vec4<u32>, w: Weights) {
    (*sum).r0 = fold((*sum).r0, left(at.x), w);
    (*sum).r1 = fold((*sum).r1, left(at.y), w);
    (*sum).r2 = fold((*sum).r2, left(at.z), w);
    (*sum).r3 = fold((*sum).r3, left(at.w), w);
}
