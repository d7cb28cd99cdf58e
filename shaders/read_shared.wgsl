// Eight lanes of a subgroup read a row each and hand it to the others: for software adapters, where each
// lane's read is a turn of a loop. All lanes of a subgroup have the same rows, so all must stay active until
// their sums are done.

var<private> lane: u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    lane = subgroup_lane % 8u;
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * WORKGROUP + local;
}
