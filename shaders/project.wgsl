// project: the input's share of all gates for all time steps, a GEMM with four adjacent columns as one vector.
//   source [M, K] (rows of any stride), weight [K, C], bias [C]  ->  input_gates [M, C]
// M = T*N rows, C = D*H*G columns, by direction, unit, gate, padded to fours. K may come in pieces, each its own dispatch:
// the first starts from the bias, the others from the sum so far.
// One invocation computes ROWS rows of one vector of columns.

struct Dims {
    rows: u32,
    // Columns, in vectors of four.
    columns: u32,
    depth: u32,
    // Where the piece begins: in the source, and in the weights' rows.
    source_offset: u32,
    source_stride: u32,
    weight_row: u32,
    // 1 if this is not the first piece.
    adds: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<f32>;                     // [M, K]
@group(0) @binding(2) var<storage, read> weight: array<vec4<f32>>;               // [K, C]
@group(0) @binding(3) var<storage, read> bias: array<vec4<f32>>;                 // [C]
@group(0) @binding(4) var<storage, read_write> input: array<vec4<f32>>;          // [M, C]

fn depth() -> u32 {
    return dims.depth;
}

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: vec4<u32>) -> vec4<u32> {
    return dims.source_offset + min(row, vec4(dims.rows - 1u)) * dims.source_stride;
}

fn left(at: u32) -> f32 {
    return source[at];
}

fn right(k: u32, column: u32) -> Gates {
    return unpack_weight((dims.weight_row + k) * dims.columns + column);
}

fn finish(row: u32, column: u32, sum: Gates) {
    if row >= dims.rows {
        return;
    }
    let at = row * dims.columns + column;
    if dims.adds == 1u {
        input[at] = unpack_input(at) + sum;
    } else {
        input[at] = unpack_bias(column) + sum;
    }
}

@compute @workgroup_size(WORKGROUP)
fn project(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = tile_of(group, groups) * ROWS;
    if id.x < dims.columns && row < dims.rows {
        multiply(row, id.x);
    }
}
