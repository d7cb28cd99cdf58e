// One output an invocation, four k at a time: both sides are read as vectors, so that a read brings four numbers, and the loop has
// a quarter of the turns. Still nothing is used twice.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;      // [M, K/4] of 4 k
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;      // [K/4, C] of 4 k
@group(0) @binding(3) var<storage, read> bias: array<f32>;              // [C]
@group(0) @binding(4) var<storage, read_write> result: array<f32>;      // [M, C]

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let columns = 4u * dims.columns;
    if id.x >= columns {
        return;
    }
    var sum = bias[id.x];
    for (var k = 0u; k < dims.depth; k += 1u) {
        sum += dot(source[id.y * dims.depth + k], weight[k * columns + id.x]);
    }
    result[id.y * columns + id.x] = sum;
}
