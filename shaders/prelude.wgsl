// Text that every kernel shares. The product kernels are joined from these files: dtype/DTYPE, prelude,
// gates/G, accumulate, read_KIND, and then either run/once and gemm, or activation, step_index/time,
// step_index/KIND, run/KIND, cell/NAME and step; the last is a file of multiply/, written out. Every K axis is
// padded with zeros to whole vectors of four.

override WORKGROUP: u32 = 64u;

// Units, or vectors of columns, whose weights stand side by side, so that their invocations read whole
// cache lines.
const BLOCK: u32 = 8u;

// One unit's state between two steps. Cells without a cell state hand c through.
struct State {
    h: f32,
    c: f32,
}

// tanh, the same on every GPU: WGSL leaves its own undefined beyond |x| of 88, and drivers are imprecise near
// 0. Below 0.625 the polynomial of Cephes (tanhf.c), above it the rational minimax approximation of degree
// 13/6 of Eigen (MathFunctionsImpl.h). The error is a few ulp, one ulp where values mostly are; a NaN stays a
// NaN.
fn safe_tanh(value: f32) -> f32 {
    let x = clamp(value, -7.905311, 7.905311);
    let x2 = x * x;
    var small = -5.70498872745e-3;
    small = small * x2 + 2.06390887954e-2;
    small = small * x2 - 5.37397155531e-2;
    small = small * x2 + 1.33314422036e-1;
    small = small * x2 - 3.33332819422e-1;
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
    let tanh = select(x * p / q, x + x * x2 * small, abs(x) < 0.625);
    return select(tanh, value, is_nan(value));
}

// The test is of the bits, since a compiler may assume that there is no NaN.
fn is_nan(value: f32) -> bool {
    return (bitcast<u32>(value) & 0x7fffffffu) > 0x7f800000u;
}

// exp of a number that is not positive, since a driver's exp errs by dozens of ulp: 2^n exp(r) with |r| at most
// half of ln 2, which comes in two parts (Cody and Waite 1980), and Taylor's series up to r^7, whose rest is
// less than 1e-8 of the sum.
fn exp_of_negative(x: f32) -> f32 {
    // Below lies no normal float.
    let bounded = max(x, -87.33654);
    let n = round(bounded * 1.44269504);
    // By way of an integer, lest a compiler adds up both parts of ln 2, as lavapipe's does.
    let exponent = i32(n);
    let r = fma(f32(exponent), -1.42860677e-6, fma(n, -0.693145752, bounded));
    var series = 1.0 / 5040.0;
    series = fma(series, r, 1.0 / 720.0);
    series = fma(series, r, 1.0 / 120.0);
    series = fma(series, r, 1.0 / 24.0);
    series = fma(series, r, 1.0 / 6.0);
    series = fma(series, r, 0.5);
    let exp_r = fma(r * r, series, r) + 1.0;
    return select(exp_r * bitcast<f32>(u32(exponent + 127) << 23u), 0.0, x < -87.33654);
}

// The logistic function. A NaN stays a NaN.
fn sigmoid(x: f32) -> f32 {
    let e = exp_of_negative(-abs(x));
    return select(select(1.0, e, x < 0.0) / (1.0 + e), x, is_nan(x));
}

// The place where the weights of a column begin in [columns / BLOCK, depth, BLOCK]; BLOCK is their stride.
fn block_at(column: u32, depth: u32) -> u32 {
    return column / BLOCK * depth * BLOCK + column % BLOCK;
}

// Both directions of a layer in one dispatch, in turn along z; and the direction of this invocation there, 0
// forward and 1 reverse.
override PAIRED: bool = false;
var<private> direction: u32 = 0u;

// Tiles of rows are counted along y, and along z when y is full.
fn tile_of(group: vec3<u32>, groups: vec3<u32>) -> u32 {
    if PAIRED {
        direction = group.z % 2u;
        return group.z / 2u * groups.y + group.y;
    }
    return group.z * groups.y + group.y;
}
