// gemm: the input's share of all gates for all time steps, with four adjacent columns as one vector.
//   a [M, K] (rows of any stride), b [K, C], bias [C]  ->  input_gates [M, C]
// M = T*N rows, C = D*H*G columns by direction, unit, gate. K may come in pieces, each a dispatch of its own:
// the first piece starts from the bias, the others from the sum so far. One invocation computes ROWS rows of
// one vector of columns.

struct Dims {
    rows: u32,
    // Columns, in vectors of four.
    columns: u32,
    // K of this piece, and of all, in vectors of four.
    depth: u32,
    whole_depth: u32,
    // The place in a where the piece begins, and the length of a row of a: in vectors of four.
    source_offset: u32,
    source_stride: u32,
    // The place in b's K where the piece begins.
    weight_offset: u32,
    // 1 if this is not the first piece.
    adds: u32,
    // Columns of one direction, and the lengths of its part of b, in Weights, and of the bias, in vectors.
    direction_columns: u32,
    direction_weight: u32,
    direction_bias: u32,
    // The place in a row of the result where the columns begin, and its row length: in vectors.
    into_offset: u32,
    into_stride: u32,
}

override HAS_BIAS: bool = true;

@group(0) @binding(0) var<uniform> dims: Dims;
// [M, K/4] of 4 k
@group(0) @binding(1) var<storage, read> a: array<Vector>;
// [C/4/BLOCK, K/4, BLOCK] of 4 columns by 4 k
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
// The bias, [C/4] of 4 columns
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
// [M, C/4] of 4 columns
@group(0) @binding(4) var<storage, read_write> input_gates: array<Result>;

fn rows() -> u32 {
    return dims.rows;
}

fn depth() -> u32 {
    return dims.depth;
}

// The place where a row of a begins. A row past the last reads the last row, and its sum is thrown away.
fn a_at(row: u32) -> u32 {
    return dims.source_offset + min(row, dims.rows - 1u) * dims.source_stride;
}

fn read_a(at: u32) -> vec4<f32> {
    return vec4<f32>(a[at]);
}

fn b_at(column: u32) -> u32 {
    let known = min(column, dims.columns - 1u);
    let start = known / dims.direction_columns * dims.direction_weight;
    return start + block_at(known % dims.direction_columns, dims.whole_depth) + dims.weight_offset * BLOCK;
}

fn read_b(at: u32, k: u32) -> Weights {
    return Weights(b[at + k * BLOCK]);
}

fn epilogue(row: u32, column: u32, sum: Gates) {
    if row >= dims.rows || column >= dims.columns {
        return;
    }
    let at = dims.into_offset + row * dims.into_stride + column;
    var start = Gates();
    if dims.adds == 1u {
        start = vec4<f32>(input_gates[at]);
    } else if HAS_BIAS {
        let own = column / dims.direction_columns * dims.direction_bias + column % dims.direction_columns;
        start = read_parameters(own);
    }
    input_gates[at] = Result(start + sum);
}
