// A workgroup reads a piece of its rows of a and of its columns of b into its own memory, sixteen k at a time,
// and each of its invocations multiplies some rows by some columns of the pieces. For large products on GPUs;
// on a software adapter the detour only costs.

var<private> lane: u32;

@compute @workgroup_size(LANES)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    lane = local;
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * COLUMNS + local % 8u;
}
