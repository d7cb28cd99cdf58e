// outer: the sum over rows of outer products, in partial sums of so many rows each: the gradient by a weight
// from those by all pre-activations and the operands of its product.
//   a [R, M], b [R, K]  ->  partial [R / chunk, M, K + 4]
// One invocation computes two vectors of a by two vectors of b. Behind b stands a vector (1, 0, 0, 0), which
// gives the sum of a itself, a bias's gradient.

struct Dims {
    // R, and rows of a partial sum.
    rows: u32,
    chunk: u32,
    // The place where a begins, its row length, and M: in vectors of four; and the same of b, with K.
    a_offset: u32,
    a_stride: u32,
    a_width: u32,
    b_offset: u32,
    b_stride: u32,
    b_width: u32,
    // Blocks of b that a workgroup's blocks stand side by side in.
    b_blocks: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [R, M/4] of 4 columns
@group(0) @binding(1) var<storage, read> a: array<Vector>;
// [R, K/4] of 4 columns
@group(0) @binding(2) var<storage, read> b: array<Vector>;
// [R / chunk, M, K/4 + 1] of 4 columns
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;

// Invocations of a workgroup along b; each has two vectors.
const LANES: u32 = 8u;

fn read_b(row: u32, column: u32) -> vec4<f32> {
    // A column past the last one reads some other one, and is thrown away.
    let known = vec4<f32>(b[dims.b_offset + row * dims.b_stride + min(column, dims.b_width - 1u)]);
    return select(known, vec4(1.0, 0.0, 0.0, 0.0), column == dims.b_width);
}

fn read_a(row: u32, column: u32) -> vec4<f32> {
    return vec4<f32>(a[dims.a_offset + row * dims.a_stride + min(column, dims.a_width - 1u)]);
}

// sum + a b, for each number of a a vector.
fn accumulate(sum: mat4x4<f32>, x: vec4<f32>, y: vec4<f32>) -> mat4x4<f32> {
    return mat4x4(
        fma(vec4(x.x), y, sum[0]), fma(vec4(x.y), y, sum[1]), fma(vec4(x.z), y, sum[2]), fma(vec4(x.w), y, sum[3]),
    );
}

fn store(chunk: u32, a_column: u32, b_column: u32, sum: mat4x4<f32>) {
    if a_column >= dims.a_width || b_column > dims.b_width {
        return;
    }
    let stride = dims.b_width + 1u;
    let at = (chunk * dims.a_width + a_column) * 4u * stride + b_column;
    partial[at] = sum[0];
    partial[at + stride] = sum[1];
    partial[at + 2u * stride] = sum[2];
    partial[at + 3u * stride] = sum[3];
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
