// What every kernel shares: the state of a unit, functions that saturate, and the tile's accumulators.
// A shader is joined from: prelude, gates/G, cell/NAME (for a step), tile/ROWS, the kernel.

// Overrides stand here, before their first use.
override WORKGROUP: u32 = 64u;
// One unit's state between two steps. Cells without a cell state hand c through.
struct State {
    h: f32,
    c: f32,
}

// WGSL leaves tanh undefined beyond |x| of 88 and imprecise near 0; this is within 3 ulp everywhere and the same on every
// GPU. The rational minimax approximation of degree 13/6 with the coefficients of Eigen (MathFunctionsImpl.h).
fn safe_tanh(value: f32) -> f32 {
    let x = clamp(value, -7.905311, 7.905311);
    let x2 = x * x;
    var p = -2.7607684774235e-16;
    p = p * x2 + 2.00018790482477e-13;
    p = p * x2 - 8.60467152213735e-11;
    p = p * x2 + 5.12229709037114e-08;
    p = p * x2 + 1.48572235717979e-05;
    p = p * x2 + 6.37261928875436e-04;
    p = p * x2 + 4.89352455891786e-03;
    var q = 1.19825839466702e-06;
    q = q * x2 + 1.18534705686654e-04;
    q = q * x2 + 2.26843463243900e-03;
    q = q * x2 + 4.89352518554385e-03;
    return x * p / q;
}

// exp(80) is finite in f32, and 1 / (1 + exp(80)) is not yet subnormal.
fn sigmoid(x: f32) -> f32 {
    return 1.0 / (1.0 + exp(-clamp(x, -80.0, 80.0)));
}

// Sums of four adjacent rows at one column. Loops over rows are unrolled by hand, since naga's loops keep a compiler from
// doing it, and arrays with a changing index would live in slow memory.
struct Quad {
    r0: Gates,
    r1: Gates,
    r2: Gates,
    r3: Gates,
}

// Adds w * left to each row; `at` points at the k-th number of each row.
fn accumulate(quad: ptr<function, Quad>, w: Gates, at: vec4<u32>) {
    (*quad).r0 += w * left(at.x);
    (*quad).r1 += w * left(at.y);
    (*quad).r2 += w * left(at.z);
    (*quad).r3 += w * left(at.w);
}

fn finish_quad(row: u32, column: u32, quad: Quad) {
    finish(row, column, quad.r0);
    finish(row + 1u, column, quad.r1);
    finish(row + 2u, column, quad.r2);
    finish(row + 3u, column, quad.r3);
}

// More workgroups than one axis can count are folded into z.
fn tile_of(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    return group.z * groups.y + group.y;
}
