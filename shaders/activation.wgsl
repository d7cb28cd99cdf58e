// The activations of a cell, by ONNX's letters: F of the gates, or a vanilla RNN's only one; G of the
// candidate; H of the output. The host sets them when it makes the pipeline: a compiler sees constants, and
// keeps one branch.

override F: u32 = 2u;
override F_ALPHA: f32 = 0.0;
override F_BETA: f32 = 0.0;
override G: u32 = 1u;
override G_ALPHA: f32 = 0.0;
override G_BETA: f32 = 0.0;
override H: u32 = 1u;
override H_ALPHA: f32 = 0.0;
override H_BETA: f32 = 0.0;

// The bound of the arguments of F and G, if there is one.
override CLIPS_PREACTIVATION: bool = false;
override PREACTIVATION_CLIP: f32 = 0.0;

// The order is that of `Activation::ALL`. A NaN stays a NaN.
fn activate(kind: u32, alpha: f32, beta: f32, x: f32) -> f32 {
    switch kind {
        case 0u: { return select(x, 0.0, x < 0.0); }  // relu
        case 1u: { return safe_tanh(x); }  // tanh
        case 2u: { return sigmoid(x); }  // sigmoid
        case 3u: { return x / (1.0 + abs(x)); }  // softsign
        case 4u: { return select(x, 0.0, x < 0.0) + log_1p(exp_of_negative(-abs(x))); }  // softplus
        case 5u: { return select(x, alpha * x, x < 0.0); }  // leaky_relu
        case 6u: { return select(x, alpha * exp_m1_of_negative(min(x, 0.0)), x < 0.0); }  // elu
        case 7u: { return select(x, 0.0, x <= alpha); }  // thresholded_relu
        case 8u: { return multiply_add(alpha, x, beta); }  // affine
        case 9u: { return clip(multiply_add(alpha, x, beta), 0.0, 1.0); }  // hard_sigmoid
        default: { return alpha * safe_tanh(beta * x); }  // scaled_tanh
    }
}

// exp(x) - 1 for x from 0 down, by way of tanh(x / 2) = (exp(x) - 1) / (exp(x) + 1), without loss of digits
// near 0.
fn exp_m1_of_negative(x: f32) -> f32 {
    let t = safe_tanh(0.5 * x);
    return 2.0 * t / (1.0 - t);
}

// log(1 + y) for y from 0 to 1, without loss of digits near 0: 2 artanh(s) with s = y / (2 + y) at most 1/3,
// by the series of artanh up to s^13, whose rest is 2e-8 of the sum. Kahan's y log(u) / (u - 1) with u = 1 +
// y is no way: compilers take u - 1 for y.
fn log_1p(y: f32) -> f32 {
    let s = y / (2.0 + y);
    let s2 = s * s;
    var series = 1.0 / 13.0;
    series = fma(series, s2, 1.0 / 11.0);
    series = fma(series, s2, 1.0 / 9.0);
    series = fma(series, s2, 1.0 / 7.0);
    series = fma(series, s2, 1.0 / 5.0);
    series = fma(series, s2, 1.0 / 3.0);
    return 2.0 * fma(s * s2, series, s);
}

// a x + b with the product's rounding put back, for sums near 0, also where a driver's fma rounds twice: the
// product of the upper halves of a and x is exact (Dekker 1971).
fn multiply_add(a: f32, x: f32, b: f32) -> f32 {
    let a_high = bitcast<f32>(bitcast<u32>(a) & 0xfffff000u);
    let x_high = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
    let product = a * x;
    let lost = ((a_high * x_high - product) + a_high * (x - x_high)) + (a - a_high) * x;
    let sum = product + b;
    // The sum of an infinite product has lost nothing.
    return select(sum, sum + lost, abs(lost) < 1.0);
}

// A NaN stays a NaN, which clamp does not promise.
fn clip(x: f32, least: f32, most: f32) -> f32 {
    return select(select(x, most, x > most), least, x < least);
}

fn preactivation(x: f32) -> f32 {
    if CLIPS_PREACTIVATION {
        return clip(x, -PREACTIVATION_CLIP, PREACTIVATION_CLIP);
    }
    return x;
}

fn gate_activation(x: f32) -> f32 {
    return activate(F, F_ALPHA, F_BETA, preactivation(x));
}

fn candidate_activation(x: f32) -> f32 {
    return activate(G, G_ALPHA, G_BETA, preactivation(x));
}

fn output_activation(x: f32) -> f32 {
    return activate(H, H_ALPHA, H_BETA, x);
}
