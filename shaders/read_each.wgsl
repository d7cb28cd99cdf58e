// Every invocation reads the rows of its tile for itself.

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * WORKGROUP + local;
}
