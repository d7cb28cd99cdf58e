// A block of ROWS rows by four columns an invocation, in registers: a weight that is read is used ROWS times, and a number of the
// source four times. The more rows the fewer reads, until registers run out. The host writes lines with {r} once a row, since
// naga's loops keep a compiler from unrolling.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<vec4<f32>>;      // [M, K/4] of 4 k
@group(0) @binding(2) var<storage, read> weight: array<mat4x4<f32>>;    // [K/4, C/4] of 4 columns by 4 k
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;        // [C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>; // [M, C/4] of 4 columns

// A row past the last reads the last one.
fn row_at(row: u32) -> u32 {
    return min(row, dims.rows - 1u) * dims.depth;
}

fn finish(row: u32, column: u32, sum: vec4<f32>) {
    if row < dims.rows {
        result[row * dims.columns + column] = bias[column] + sum;
    }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    if column >= dims.columns {
        return;
    }
    let row = id.y * ROWS;
    let at_{r} = row_at(row + {r}u);
    var sum_{r} = vec4<f32>();
    for (var k = 0u; k < dims.depth; k += 1u) {
        let w = weight[k * dims.columns + column];
        sum_{r} += source[at_{r} + k] * w;
    }
    finish(row + {r}u, column, sum_{r});
}
