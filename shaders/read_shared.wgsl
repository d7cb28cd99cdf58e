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

fn accumulate_low(sum: ptr<function, Quad>, a: vec4<f32>, b: Weights) {
    (*sum).r0 = accumulate((*sum).r0, subgroupBroadcast(a, 0u), b);
    (*sum).r1 = accumulate((*sum).r1, subgroupBroadcast(a, 1u), b);
    (*sum).r2 = accumulate((*sum).r2, subgroupBroadcast(a, 2u), b);
    (*sum).r3 = accumulate((*sum).r3, subgroupBroadcast(a, 3u), b);
}

fn accumulate_high(sum: ptr<function, Quad>, a: vec4<f32>, b: Weights) {
    (*sum).r0 = accumulate((*sum).r0, subgroupBroadcast(a, 4u), b);
    (*sum).r1 = accumulate((*sum).r1, subgroupBroadcast(a, 5u), b);
    (*sum).r2 = accumulate((*sum).r2, subgroupBroadcast(a, 6u), b);
    (*sum).r3 = accumulate((*sum).r3, subgroupBroadcast(a, 7u), b);
}
