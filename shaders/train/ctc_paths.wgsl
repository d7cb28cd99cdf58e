// ctc_paths: the logarithms of the probabilities of all beginnings and of all ends of paths, a sequence per
// workgroup; and the loss.
//   predictions [T, N, C] (logarithms), targets  ->  paths [2, T, N, S] and [N], rows [N] of (loss, 0)

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> numbers: Numbers;
@group(0) @binding(4) var<storage, read_write> paths: array<f32>;
@group(0) @binding(5) var<storage, read_write> rows: array<vec2<f32>>;

// log(exp(x) + exp(y) + exp(z))
fn log_sum(x: f32, y: f32, z: f32) -> f32 {
    let highest = max(max(x, y), z);
    let sum = exp_of_negative(x - highest) + exp_of_negative(y - highest) + exp_of_negative(z - highest);
    return select(highest + log(sum), LOG_ZERO, highest < LEAST_LOG);
}

// The number of a state, or zero's where there is no such state.
fn path(start: u32, state: u32, is_there: bool) -> f32 {
    return select(LOG_ZERO, paths[start + select(0u, state, is_there)], is_there);
}

// A path may go over a blank between labels that differ.
fn may_skip(n: u32, state: u32, other: u32) -> bool {
    return state % 2u == 1u && class_of(n, state) != class_of(n, other);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let n = tile_of(group, groups);
    let is_sequence = n < dims.batch;
    let known = min(n, dims.batch - 1u);
    let steps = select(0u, steps_of(known), is_sequence);
    let states = 2u * labels_of(known) + 1u;
    let step_stride = dims.batch * dims.states;
    let half = dims.steps * step_stride;
    let own = known * dims.states;
    // Every invocation goes through all T steps, so that all meet at the barriers.
    for (var t = 0u; t < dims.steps; t += 1u) {
        let at = t * step_stride + own;
        let before = select(at - step_stride, at, t == 0u);
        let row = (t * dims.batch + known) * dims.stride;
        for (var s = lane; s < states && t < steps; s += LANES) {
            var sum = select(LOG_ZERO, 0.0, s < 2u);
            if t > 0u {
                let skips = s >= 2u && may_skip(known, s, s - 2u);
                sum = log_sum(
                    paths[before + s],
                    path(before, s - 1u, s >= 1u),
                    path(before, s - 2u, skips),
                );
            }
            paths[at + s] = max(sum + predictions[row + class_of(known, s)], LOG_ZERO);
        }
        storageBarrier();
    }
    for (var t = 0u; t < dims.steps; t += 1u) {
        let own_t = steps - 1u - t;
        let at = half + own_t * step_stride + own;
        let after = at + step_stride;
        let row = (own_t * dims.batch + known) * dims.stride;
        for (var s = lane; s < states && t < steps; s += LANES) {
            var sum = select(LOG_ZERO, 0.0, s + 2u >= states);
            if t > 0u {
                let skips = s + 2u < states && may_skip(known, s, s + 2u);
                sum = log_sum(
                    paths[after + s],
                    path(after, s + 1u, s + 1u < states),
                    path(after, s + 2u, skips),
                );
            }
            paths[at + s] = max(sum + predictions[row + class_of(known, s)], LOG_ZERO);
        }
        storageBarrier();
    }
    if lane == 0u && is_sequence {
        // Without steps, no labels are certain, and labels are impossible.
        var log_p = select(LOG_ZERO, 0.0, states == 1u);
        if steps > 0u {
            let last = (steps - 1u) * step_stride + own + states - 1u;
            log_p = log_sum(paths[last], path(last - 1u, 0u, states > 1u), LOG_ZERO);
        }
        paths[2u * half + n] = log_p;
        let labels = max(f32(states / 2u), 1.0);
        var loss = -log_p * numbers.loss_factor / labels;
        if log_p < LEAST_LOG {
            loss = select(bitcast<f32>(0x7f800000u + (lane & 1u)), 0.0, dims.zero_infinity == 1u);
        }
        rows[n] = vec2(loss, 0.0);
    }
}
