// pool: the mean or the maximum of rows over the steps of each sequence.
//   features [T, N, F], lengths [N]  ->  pooled [N, F]

@group(0) @binding(3) var<storage, read_write> pooled: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = tile_of(group, groups) * WORKGROUP + lane;
    if place >= dims.batch * dims.width {
        return;
    }
    let steps = min(lengths[place / dims.width], dims.steps);
    var result = 0.0;
    for (var t = 0u; t < steps; t += 1u) {
        let x = features[t * dims.batch * dims.width + place];
        if IS_MAXIMUM {
            result = select(result, x, t == 0u || exceeds(x, result));
        } else {
            result += x;
        }
    }
    if !IS_MAXIMUM {
        result /= f32(max(steps, 1u));
    }
    pooled[place] = result;
}
