// A tile of 64 rows by 64 columns per workgroup, through workgroup memory, the textbook's way on a GPU: 256
// invocations fetch 16 k of a and of b together, one vector each, so that global memory is read once for 64
// uses, and each multiplies 4 rows by 4 columns. On a software adapter workgroup memory is memory like any
// other: there the tile only costs its barriers and copies. K is a multiple of 16.

struct Dims {
    rows: u32,
    // In vectors of four.
    columns: u32,
    depth: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [M, K/4] of 4 k
@group(0) @binding(1) var<storage, read> a: array<vec4<f32>>;
// [K, C/4] of 4 columns
@group(0) @binding(2) var<storage, read> b: array<vec4<f32>>;
// [C/4] of 4 columns
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;
// [M, C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> result: array<vec4<f32>>;

// [64, 16/4] of 4 k
var<workgroup> a_piece: array<vec4<f32>, 256>;
// [16, 64/4] of 4 columns
var<workgroup> b_piece: array<vec4<f32>, 256>;

// sum + x w for four k; w has a column per k.
fn accumulate(sum: vec4<f32>, x: vec4<f32>, w: mat4x4<f32>) -> vec4<f32> {
    return fma(vec4(x.w), w[3], fma(vec4(x.z), w[2], fma(vec4(x.y), w[1], fma(vec4(x.x), w[0], sum))));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let row = group.y * 64u;
    let column = group.x * 16u;
    let a_at = min(row + lane / 4u, dims.rows - 1u) * dims.depth + lane % 4u;
    let b_at = lane / 16u * dims.columns + min(column + lane % 16u, dims.columns - 1u);
    let own = lane / 16u * 4u;
    let own_column = lane % 16u;
    var sum_{r} = vec4<f32>();
    for (var k = 0u; k < dims.depth; k += 4u) {
        workgroupBarrier();
        a_piece[lane] = a[a_at + k];
        b_piece[lane] = b[b_at + 4u * k * dims.columns];
        workgroupBarrier();
        for (var four = 0u; four < 4u; four += 1u) {
            let at = 4u * four * 16u + own_column;
            let w = mat4x4(b_piece[at], b_piece[at + 16u], b_piece[at + 32u], b_piece[at + 48u]);
            sum_{r} = accumulate(sum_{r}, a_piece[(own + {r}u) * 4u + four], w);
        }
    }
    if column + own_column >= dims.columns {
        return;
    }
    epilogue(row + own + {r}u, column + own_column, sum_{r});
}

fn epilogue(row: u32, column: u32, sum: vec4<f32>) {
    if row < dims.rows {
        result[row * dims.columns + column] = bias[column] + sum;
    }
}
