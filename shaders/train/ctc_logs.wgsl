// ctc_logs: predictions become logarithms of probabilities, in their place.
//   predictions [T, N, C]  ->  predictions [T, N, C]

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> predictions: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = tile_of(group, groups) * WORKGROUP + lane;
    if row >= dims.steps * dims.batch {
        return;
    }
    let start = row * dims.stride;
    var highest = predictions[start];
    var has_nan = is_nan(highest);
    for (var c = 1u; c < dims.classes; c += 1u) {
        let x = predictions[start + c];
        has_nan |= is_nan(x);
        highest = max(highest, x);
    }
    var sum = 0.0;
    for (var c = 0u; c < dims.classes; c += 1u) {
        sum += exp_of_negative(predictions[start + c] - highest);
    }
    let nan = bitcast<f32>(0x7fc00000u + (row & 1u));
    let all = select(highest + log(sum), nan, has_nan);
    for (var c = 0u; c < dims.classes; c += 1u) {
        predictions[start + c] -= all;
    }
}
