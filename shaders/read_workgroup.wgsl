// The entry point of tiles in a workgroup's memory; multiply/workgroup.wgsl reads and multiplies.

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
