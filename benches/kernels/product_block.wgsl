// A block of ROWS rows by four columns per invocation, in registers: a number of b is used ROWS times, a
// number of a four times. More rows mean fewer reads, until registers run out. The host writes lines with {r}
// once per row, since naga's loops keep a compiler from unrolling.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [M, K/4] of 4 k
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
// [K/4, C/4] of 4 columns by 4 k
@group(0) @binding(2) var<storage, read> b: array<mat4x4<f32>>;
// [C/4] of 4 columns
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
// [M, C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>;

// The place where a row begins. A row past the last reads the last row.
fn a_at(row: u32) -> u32 {
    return min(row, dims.rows - 1u) * dims.depth;
}

fn epilogue(row: u32, column: u32, sum: vec4<f32>) {
    if row < dims.rows {
        result[row * dims.columns + column] = bias[column] + sum;
    }
}

// sum + x w for four k.
fn accumulate(sum: vec4<f32>, x: vec4<f32>, w: mat4x4<f32>) -> vec4<f32> {
    let k = transpose(w);
    return fma(vec4(x.w), k[3], fma(vec4(x.z), k[2], fma(vec4(x.y), k[1], fma(vec4(x.x), k[0], sum))));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let column = id.x;
    if column >= dims.columns {
        return;
    }
    let row = id.y * ROWS;
    let at_{r} = a_at(row + {r}u);
    var sum_{r} = vec4<f32>();
    for (var k = 0u; k < dims.depth; k += 1u) {
        let w = b[k * dims.columns + column];
        sum_{r} = accumulate(sum_{r}, a[at_{r} + k], w);
    }
    epilogue(row + {r}u, column, sum_{r});
}
