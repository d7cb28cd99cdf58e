// One output per invocation, one k at a time. Each multiply-add costs two reads of a number, and an
// invocation uses no number twice: the reads take the time.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [M, K]
@group(0) @binding(1) var<storage, read> a: array<f32>;
// [K, C]
@group(0) @binding(2) var<storage, read> b: array<f32>;
// [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// [M, C]
@group(0) @binding(4) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let columns = 4u * dims.columns;
    let depth = 4u * dims.depth;
    if id.x >= columns {
        return;
    }
    var sum = bias[id.x];
    for (var k = 0u; k < depth; k += 1u) {
        sum = fma(a[id.y * depth + k], b[k * columns + id.x], sum);
    }
    result[id.y * columns + id.x] = sum;
}
