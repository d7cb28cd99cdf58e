// outer: the sum over rows of outer products, in partial sums of so many rows each: the gradient by a weight
// from those by all pre-activations and the operands of its product.
//   a [R, M], b [R, K]  ->  partial [R / chunk, M, K + 4]
// One invocation computes some vectors of a by some vectors of b: a file of outer/. Behind b stands a vector
// (1, 0, 0, 0), which gives the sum of a itself, a bias's gradient.

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
    // Workgroups side by side along b.
    b_blocks: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [R, M/4] of 4 columns
@group(0) @binding(1) var<storage, read> a: array<Vector>;
// [R, K/4] of 4 columns
@group(0) @binding(2) var<storage, read> b: array<Vector>;
// [R / chunk, M, K/4 + 1] of 4 columns
@group(0) @binding(3) var<storage, read_write> partial: array<vec4<f32>>;

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
