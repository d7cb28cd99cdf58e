// One output per invocation, four k at a time: a and b are read as vectors, so that a read brings four
// numbers and the loop has a quarter of the turns. An invocation still uses no number twice.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [M, K/4] of 4 k
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
// [K/4, C] of 4 k
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
// [C]
@group(0) @binding(3) var<storage, read> bias: array<f32>;
// [M, C]
@group(0) @binding(4) var<storage, read_write> result: array<f32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let columns = 4u * dims.columns;
    if id.x >= columns {
        return;
    }
    var sum = bias[id.x];
    for (var k = 0u; k < dims.depth; k += 1u) {
        let x = a[id.y * dims.depth + k];
        let w = b[k * columns + id.x];
        sum = fma(x.w, w.w, fma(x.z, w.z, fma(x.y, w.y, fma(x.x, w.x, sum))));
    }
    result[id.y * columns + id.x] = sum;
}
