// A tile of 64 rows by 64 columns a workgroup, through workgroup memory, which is the textbook's way on a GPU: 256 invocations fetch 16
// k of both sides together, one vector each, so that global memory is read once for 64 uses, and each multiplies 4 rows by 4 columns.
// On a CPU that plays a GPU workgroup memory is memory like any other, and what is left is the cost of its barriers and copies.
// K is in whole sixteens.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;      // [M, K/4] of 4 k
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;      // [K, C/4] of 4 columns
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;        // [C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>; // [M, C/4] of 4 columns

var<workgroup> rows: array<vec4<f32>, 256>;                             // [64, 16/4] of 4 k
var<workgroup> columns: array<vec4<f32>, 256>;                          // [16, 64/4] of 4 columns

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * 64u;
    let column = group.x * 16u;
    // What this invocation fetches.
    let source_at = min(row + lane / 4u, dims.rows - 1u) * dims.depth + lane % 4u;
    let weight_at = lane / 16u * dims.columns + min(column + lane % 16u, dims.columns - 1u);
    // What it multiplies.
    let mine = lane / 16u * 4u;
    let my_column = lane % 16u;
    var sum_{r} = vec4<f32>();
    for (var k = 0u; k < dims.depth; k += 4u) {
        workgroupBarrier();
        rows[lane] = source[source_at + k];
        columns[lane] = weight[weight_at + 4u * k * dims.columns];
        workgroupBarrier();
        for (var four = 0u; four < 4u; four += 1u) {
            let at = 4u * four * 16u + my_column;
            let w = transpose(mat4x4(columns[at], columns[at + 16u], columns[at + 32u], columns[at + 48u]));
            sum_{r} += rows[(mine + {r}u) * 4u + four] * w;
        }
    }
    if column + my_column >= dims.columns {
        return;
    }
    finish(row + mine + {r}u, column + my_column, sum_{r});
}

fn finish(row: u32, column: u32, sum: vec4<f32>) {
    if row < dims.rows {
        result[row * dims.columns + column] = bias[column] + sum;
    }
}
