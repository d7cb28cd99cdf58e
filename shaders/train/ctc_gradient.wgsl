// ctc_gradient: the gradient of the loss by predictions, in the place of their logarithms.
//   predictions [T, N, C] (logarithms), targets, paths  ->  predictions [T, N, C]

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> predictions: array<f32>;
@group(0) @binding(3) var<storage, read> numbers: Numbers;
@group(0) @binding(4) var<storage, read> paths: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = tile_of(group, groups) * WORKGROUP + lane;
    if place >= dims.steps * dims.batch * dims.stride {
        return;
    }
    let row = place / dims.stride;
    let c = place % dims.stride;
    let t = row / dims.batch;
    let n = row % dims.batch;
    let half = dims.steps * dims.batch * dims.states;
    let log_p = paths[2u * half + n];
    let is_possible = log_p >= LEAST_LOG || is_nan(log_p);
    let skipped = !is_possible && dims.zero_infinity == 1u;
    if t >= steps_of(n) || c >= dims.classes || skipped {
        predictions[place] = 0.0;
        return;
    }
    let own = predictions[place];
    let states = 2u * labels_of(n) + 1u;
    let start = row * dims.states;
    // The probability that a path is at the class.
    var p = 0.0;
    for (var s = 0u; s < states; s += 1u) {
        if class_of(n, s) == c {
            let log_of = paths[start + s] + paths[half + start + s] - own - log_p;
            p += select(exp_of_negative(min(log_of, 0.0)), log_of, is_nan(log_of));
        }
    }
    let probability = select(exp_of_negative(min(own, 0.0)), own, is_nan(own));
    let gradient = (probability - p) * numbers.gradient_factor / max(f32(states / 2u), 1.0);
    predictions[place] = select(bitcast<f32>(0x7fc00000u + (lane & 1u)), gradient, is_possible);
}
