// pool_back: the gradient by rows over time, from the gradient by their mean or
// maximum. The gradient by a maximum goes to the first step that has it.
//   features [T, N, F], lengths [N], by_pooled [N, F]  ->  by_features [T, N, F]

@group(0) @binding(3) var<storage, read> by_pooled: array<f32>;
@group(0) @binding(4) var<storage, read_write> by_features: array<f32>;

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
    let step = dims.batch * dims.width;
    var first = 0u;
    if IS_MAXIMUM {
        var highest = features[place];
        for (var t = 1u; t < steps; t += 1u) {
            let x = features[t * step + place];
            if exceeds(x, highest) {
                highest = x;
                first = t;
            }
        }
    }
    let by = by_pooled[place];
    let share = by / f32(max(steps, 1u));
    for (var t = 0u; t < dims.steps; t += 1u) {
        let own = select(share, select(0.0, by, t == first), IS_MAXIMUM);
        by_features[t * step + place] = select(0.0, own, t < steps);
    }
}
