// Text that the kernels of connectionist temporal classification share (Graves et al. 2006). A sequence of S = 2 L + 1
// states has a blank before, between and behind its labels.

struct Dims {
    // T, N, C, and numbers from one row of predictions to the next.
    steps: u32,
    batch: u32,
    classes: u32,
    stride: u32,
    // The most labels of a sequence, and their states.
    labels: u32,
    states: u32,
    blank: u32,
    // 1 if a loss that is infinite becomes zero.
    zero_infinity: u32,
}

// The logarithm of zero, and the least number that is none.
const LOG_ZERO: f32 = -1e30;
const LEAST_LOG: f32 = -1e29;

// Invocations that share a sequence.
const LANES: u32 = 64u;
