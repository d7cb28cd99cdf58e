// gemm: the input's share of all gates for all time steps, a GEMM with four adjacent columns as one vector.
//   source [M, K] (rows of any stride), weight [K, C], bias [C]  ->  input_gates [M, C]
// M = T*N rows, C = D*H*G columns by direction, unit, gate. K may come in pieces, each a dispatch of its own: the first
// starts from the bias, the others from the sum so far.
// One invocation computes ROWS rows of one vector of columns.

struct Dims {
    rows: u32,
    // Columns, in vectors of four.
    columns: u32,
    // K of this piece, and of all, in vectors of four.
    depth: u32,
    whole_depth: u32,
    // Where the piece begins, and how long a row is, in the source: in vectors of four.
    source_offset: u32,
    source_stride: u32,
    // Where the piece begins in the weights' K.
    weight_offset: u32,
    // 1 if this is not the first piece.
    adds: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<Vector>;               // [M, K/4] of 4 k
@group(0) @binding(2) var<storage, read> weight: array<StoredWeights>;        // [C/4/BLOCK, K/4, BLOCK] of 4 columns by 4 k
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;     // bias, [C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> input: array<Vector>;          // [M, C/4] of 4 columns

fn rows() -> u32 {
    return dims.rows;
}

fn depth() -> u32 {
    return dims.depth;
}

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: u32) -> u32 {
    return dims.source_offset + min(row, dims.rows - 1u) * dims.source_stride;
}

fn left(at: u32) -> vec4<f32> {
    return vec4<f32>(source[at]);
}

fn right_at(column: u32) -> u32 {
    return block_at(min(column, dims.columns - 1u), dims.whole_depth) + dims.weight_offset * BLOCK;
}

fn right(at: u32, k: u32) -> Weights {
    return Weights(weight[at + k * BLOCK]);
}

fn finish(row: u32, column: u32, sum: Gates) {
    if row >= dims.rows || column >= dims.columns {
        return;
    }
    let at = row * dims.columns + column;
    if dims.adds == 1u {
        input[at] = Vector(unpack_input(at) + sum);
    } else {
        input[at] = Vector(unpack_parameters(column) + sum);
    }
}
