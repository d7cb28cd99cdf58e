// Two vectors of a by two vectors of b per invocation.

// Invocations of a workgroup along b; each has two vectors.
const LANES: u32 = 8u;

fn read_b(row: u32, column: u32) -> vec4<f32> {
    // A column past the last one reads some other one, and is thrown away.
    let known = vec4<f32>(b[dims.b_offset + row * dims.b_stride + min(column, dims.b_width - 1u)]);
    return select(known, vec4(1.0, 0.0, 0.0, 0.0), column == dims.b_width);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let chunk = tile_of(group, groups);
    let first = chunk * dims.chunk;
    if first >= dims.rows {
        return;
    }
    let a_column = 2u * (group.x / dims.b_blocks * (WORKGROUP / LANES) + lane / LANES);
    let b_column = 2u * (group.x % dims.b_blocks * LANES + lane % LANES);
    var sum_0_0 = mat4x4<f32>();
    var sum_0_1 = mat4x4<f32>();
    var sum_1_0 = mat4x4<f32>();
    var sum_1_1 = mat4x4<f32>();
    let end = min(first + dims.chunk, dims.rows);
    for (var row = first; row < end; row += 1u) {
        let a_0 = read_a(row, a_column);
        let a_1 = read_a(row, a_column + 1u);
        let b_0 = read_b(row, b_column);
        let b_1 = read_b(row, b_column + 1u);
        sum_0_0 = accumulate(sum_0_0, a_0, b_0);
        sum_0_1 = accumulate(sum_0_1, a_0, b_1);
        sum_1_0 = accumulate(sum_1_0, a_1, b_0);
        sum_1_1 = accumulate(sum_1_1, a_1, b_1);
    }
    store(chunk, a_column, b_column, sum_0_0);
    store(chunk, a_column, b_column + 1u, sum_0_1);
    store(chunk, a_column + 1u, b_column, sum_1_0);
    store(chunk, a_column + 1u, b_column + 1u, sum_1_1);
}
