// The sums of four adjacent rows at one column, and how products are added to them. Rows are written out
// instead of looped over, since naga's loops keep a compiler from unrolling, and arrays with a changing index
// would live in slow memory.
struct Quad {
    r0: Gates,
    r1: Gates,
    r2: Gates,
    r3: Gates,
}

// sum + a b for four k, as a chain of fma: `a * b` and `dot` compile to a product and an addition more.
fn accumulate(sum: Gates, a: vec4<f32>, b: Weights) -> Gates {
    let w = by_k(b);
    return fma(Gates(a.w), w[3], fma(Gates(a.z), w[2], fma(Gates(a.y), w[1], fma(Gates(a.x), w[0], sum))));
}

fn accumulate_quad(sum: ptr<function, Quad>, at: vec4<u32>, b: Weights) {
    (*sum).r0 = accumulate((*sum).r0, read_a(at.x), b);
    (*sum).r1 = accumulate((*sum).r1, read_a(at.y), b);
    (*sum).r2 = accumulate((*sum).r2, read_a(at.z), b);
    (*sum).r3 = accumulate((*sum).r3, read_a(at.w), b);
}

// The places in a where four rows begin.
fn quad_at(row: u32) -> vec4<u32> {
    return vec4(a_at(row), a_at(row + 1u), a_at(row + 2u), a_at(row + 3u));
}

fn epilogue_quad(row: u32, column: u32, sum: Quad) {
    epilogue(row, column, sum.r0);
    epilogue(row + 1u, column, sum.r1);
    epilogue(row + 2u, column, sum.r2);
    epilogue(row + 3u, column, sum.r3);
}
