// Eight vectors of a by one vector of b per invocation. Eight lanes of a subgroup read a row of a each and hand
// it to the others: for software adapters, where each lane's read is a turn of a loop. All invocations of a
// workgroup have the same vectors of a.

struct Vectors {
    v0: vec4<f32>,
    v1: vec4<f32>,
    v2: vec4<f32>,
    v3: vec4<f32>,
    v4: vec4<f32>,
    v5: vec4<f32>,
    v6: vec4<f32>,
    v7: vec4<f32>,
}

struct Sums {
    m0: mat4x4<f32>,
    m1: mat4x4<f32>,
    m2: mat4x4<f32>,
    m3: mat4x4<f32>,
    m4: mat4x4<f32>,
    m5: mat4x4<f32>,
    m6: mat4x4<f32>,
    m7: mat4x4<f32>,
}

// The sums with a row of each of eight lanes.
fn add(sums: ptr<function, Sums>, a: Vectors, b: vec4<f32>) {
    (*sums).m0 = accumulate((*sums).m0, a.v0, b);
    (*sums).m1 = accumulate((*sums).m1, a.v1, b);
    (*sums).m2 = accumulate((*sums).m2, a.v2, b);
    (*sums).m3 = accumulate((*sums).m3, a.v3, b);
    (*sums).m4 = accumulate((*sums).m4, a.v4, b);
    (*sums).m5 = accumulate((*sums).m5, a.v5, b);
    (*sums).m6 = accumulate((*sums).m6, a.v6, b);
    (*sums).m7 = accumulate((*sums).m7, a.v7, b);
}

fn of_lane_0(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 0u),
        subgroupBroadcast(a.v1, 0u),
        subgroupBroadcast(a.v2, 0u),
        subgroupBroadcast(a.v3, 0u),
        subgroupBroadcast(a.v4, 0u),
        subgroupBroadcast(a.v5, 0u),
        subgroupBroadcast(a.v6, 0u),
        subgroupBroadcast(a.v7, 0u),
    );
}

fn of_lane_1(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 1u),
        subgroupBroadcast(a.v1, 1u),
        subgroupBroadcast(a.v2, 1u),
        subgroupBroadcast(a.v3, 1u),
        subgroupBroadcast(a.v4, 1u),
        subgroupBroadcast(a.v5, 1u),
        subgroupBroadcast(a.v6, 1u),
        subgroupBroadcast(a.v7, 1u),
    );
}

fn of_lane_2(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 2u),
        subgroupBroadcast(a.v1, 2u),
        subgroupBroadcast(a.v2, 2u),
        subgroupBroadcast(a.v3, 2u),
        subgroupBroadcast(a.v4, 2u),
        subgroupBroadcast(a.v5, 2u),
        subgroupBroadcast(a.v6, 2u),
        subgroupBroadcast(a.v7, 2u),
    );
}

fn of_lane_3(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 3u),
        subgroupBroadcast(a.v1, 3u),
        subgroupBroadcast(a.v2, 3u),
        subgroupBroadcast(a.v3, 3u),
        subgroupBroadcast(a.v4, 3u),
        subgroupBroadcast(a.v5, 3u),
        subgroupBroadcast(a.v6, 3u),
        subgroupBroadcast(a.v7, 3u),
    );
}

fn of_lane_4(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 4u),
        subgroupBroadcast(a.v1, 4u),
        subgroupBroadcast(a.v2, 4u),
        subgroupBroadcast(a.v3, 4u),
        subgroupBroadcast(a.v4, 4u),
        subgroupBroadcast(a.v5, 4u),
        subgroupBroadcast(a.v6, 4u),
        subgroupBroadcast(a.v7, 4u),
    );
}

fn of_lane_5(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 5u),
        subgroupBroadcast(a.v1, 5u),
        subgroupBroadcast(a.v2, 5u),
        subgroupBroadcast(a.v3, 5u),
        subgroupBroadcast(a.v4, 5u),
        subgroupBroadcast(a.v5, 5u),
        subgroupBroadcast(a.v6, 5u),
        subgroupBroadcast(a.v7, 5u),
    );
}

fn of_lane_6(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 6u),
        subgroupBroadcast(a.v1, 6u),
        subgroupBroadcast(a.v2, 6u),
        subgroupBroadcast(a.v3, 6u),
        subgroupBroadcast(a.v4, 6u),
        subgroupBroadcast(a.v5, 6u),
        subgroupBroadcast(a.v6, 6u),
        subgroupBroadcast(a.v7, 6u),
    );
}

fn of_lane_7(a: Vectors) -> Vectors {
    return Vectors(
        subgroupBroadcast(a.v0, 7u),
        subgroupBroadcast(a.v1, 7u),
        subgroupBroadcast(a.v2, 7u),
        subgroupBroadcast(a.v3, 7u),
        subgroupBroadcast(a.v4, 7u),
        subgroupBroadcast(a.v5, 7u),
        subgroupBroadcast(a.v6, 7u),
        subgroupBroadcast(a.v7, 7u),
    );
}

fn read_row(at: u32, row: u32, is_sum: bool) -> vec4<f32> {
    return select(vec4<f32>(b[at + row * dims.b_stride]), vec4(1.0, 0.0, 0.0, 0.0), is_sum);
}

fn read_own(row: u32, end: u32, column: u32) -> vec4<f32> {
    return select(vec4<f32>(), read_a(min(row, end - 1u), column), row < end);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_invocation_id) subgroup_lane: u32,
) {
    let chunk = tile_of(group, groups);
    let first = chunk * dims.chunk;
    if first >= dims.rows {
        return;
    }
    let lane = subgroup_lane % 8u;
    let a_column = 8u * (group.x / dims.b_blocks);
    let b_column = group.x % dims.b_blocks * WORKGROUP + local;
    // Whole eights of lanes have nothing to do.
    if b_column / 8u * 8u > dims.b_width {
        return;
    }
    // A column past the last one reads some other one, and is thrown away.
    let b_at = dims.b_offset + min(b_column, dims.b_width - 1u);
    let is_sum = b_column == dims.b_width;
    var sums = Sums();
    let end = min(first + dims.chunk, dims.rows);
    for (var row = first; row < end; row += 8u) {
        let own = row + lane;
        let a = Vectors(
            read_own(own, end, a_column + 0u),
            read_own(own, end, a_column + 1u),
            read_own(own, end, a_column + 2u),
            read_own(own, end, a_column + 3u),
            read_own(own, end, a_column + 4u),
            read_own(own, end, a_column + 5u),
            read_own(own, end, a_column + 6u),
            read_own(own, end, a_column + 7u),
        );
        add(&sums, of_lane_0(a), read_row(b_at, min(row + 0u, end - 1u), is_sum));
        add(&sums, of_lane_1(a), read_row(b_at, min(row + 1u, end - 1u), is_sum));
        add(&sums, of_lane_2(a), read_row(b_at, min(row + 2u, end - 1u), is_sum));
        add(&sums, of_lane_3(a), read_row(b_at, min(row + 3u, end - 1u), is_sum));
        add(&sums, of_lane_4(a), read_row(b_at, min(row + 4u, end - 1u), is_sum));
        add(&sums, of_lane_5(a), read_row(b_at, min(row + 5u, end - 1u), is_sum));
        add(&sums, of_lane_6(a), read_row(b_at, min(row + 6u, end - 1u), is_sum));
        add(&sums, of_lane_7(a), read_row(b_at, min(row + 7u, end - 1u), is_sum));
    }
    store(chunk, a_column + 0u, b_column, sums.m0);
    store(chunk, a_column + 1u, b_column, sums.m1);
    store(chunk, a_column + 2u, b_column, sums.m2);
    store(chunk, a_column + 3u, b_column, sums.m3);
    store(chunk, a_column + 4u, b_column, sums.m4);
    store(chunk, a_column + 5u, b_column, sums.m5);
    store(chunk, a_column + 6u, b_column, sums.m6);
    store(chunk, a_column + 7u, b_column, sums.m7);
}
