// Every invocation reads the rows of its tile for itself.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    run(local, group, groups);
}

// Where four rows begin.
fn quad_at(row: u32) -> vec4<u32> {
    return vec4(row_at(row), row_at(row + 1u), row_at(row + 2u), row_at(row + 3u));
}

fn fold_quad(sum: ptr<function, Quad>, at: vec4<u32>, w: Weights) {
    (*sum).r0 = fold((*sum).r0, left(at.x), w);
    (*sum).r1 = fold((*sum).r1, left(at.y), w);
    (*sum).r2 = fold((*sum).r2, left(at.z), w);
    (*sum).r3 = fold((*sum).r3, left(at.w), w);
}
