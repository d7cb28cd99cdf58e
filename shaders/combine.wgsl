// combine: two arrays of one size become one, number by number: merged directions, and residual connections.
//   a [M], b [M]  ->  b [M]

override OPERATION: u32 = 0u;

struct Dims {
    // The length, and the places where a and b begin: in vectors of four.
    len: u32,
    a_offset: u32,
    b_offset: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> a: array<Vector>;
@group(0) @binding(2) var<storage, read_write> b: array<Result>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let place = tile_of(group, groups) * WORKGROUP + lane;
    if place >= dims.len {
        return;
    }
    let at = dims.b_offset + place;
    let x = vec4<f32>(a[dims.a_offset + place]);
    let y = vec4<f32>(b[at]);
    switch OPERATION {
        case 0u: { b[at] = Result(x + y); }            // add
        case 1u: { b[at] = Result((x + y) * 0.5); }    // average
        case 2u: { b[at] = Result(x * y); }            // multiply
        case 3u: { b[at] = Result(0.5 * x + y); }      // add half
        default: { b[at] = Result(x); }                // copy
    }
}
