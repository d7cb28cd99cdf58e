// combine: two arrays of one size become one, number by number: merged directions, and residual connections.
//   other [M], mine [M]  ->  mine [M]

override OPERATION: u32 = 0u;

struct Dims {
    // In vectors of four.
    len: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> other: array<Vector>;
@group(0) @binding(2) var<storage, read_write> mine: array<Vector>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = tile_of(group, groups) * WORKGROUP + lane;
    if at >= dims.len {
        return;
    }
    let a = vec4<f32>(mine[at]);
    let b = vec4<f32>(other[at]);
    switch OPERATION {
        case 0u: { mine[at] = Vector(a + b); }            // add
        case 1u: { mine[at] = Vector((a + b) * 0.5); }    // average
        default: { mine[at] = Vector(a * b); }            // multiply
    }
}
