// step: one time step of one layer and direction, the recurrent product of all gates and the cell's update in one.
//   hidden [N, H], weight [K=H, H, G], bias [H, G], input [T, N, D, H, G]  ->  next_hidden [N, H], output[t] [N, H], cell_state
// One invocation computes all gates of one unit for ROWS rows of the batch. What is written is bound by single numbers, and
// is another buffer than what is read by fours: neighbours that each write a part of one vector may undo each other's.

override HAS_CELL_STATE: bool;

struct Dims {
    batch: u32,
    hidden_size: u32,
    // H in vectors of four, which is K and the length of a row of hidden.
    depth: u32,
    // Row length of the input's gates, and where this direction begins in it, both counted in units.
    input_stride: u32,
    input_offset: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> input: array<Packed>;               // [T, N, D, H, G]
@group(0) @binding(2) var<storage, read> weight: array<Weights>;             // [H/BLOCK, K/4, BLOCK] of G gates by 4 k
@group(0) @binding(3) var<storage, read> bias: array<Packed>;                // [H, G]
@group(0) @binding(4) var<storage, read> hidden: array<vec4<f32>>;           // [N, H/4] of 4 units
@group(0) @binding(5) var<storage, read_write> next_hidden: array<f32>;      // [N, H]
@group(0) @binding(6) var<storage, read_write> output: array<f32>;           // [T, N, H]
@group(0) @binding(7) var<storage, read_write> cell_state: array<f32>;       // [N, H], or [1] unused

fn rows() -> u32 {
    return dims.batch;
}

fn depth() -> u32 {
    return dims.depth;
}

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: u32) -> u32 {
    return min(row, dims.batch - 1u) * dims.depth;
}

fn left(at: u32) -> vec4<f32> {
    return hidden[at];
}

fn right_at(unit: u32) -> u32 {
    return block_at(min(unit, dims.hidden_size - 1u), dims.depth);
}

fn right(at: u32, k: u32) -> Weights {
    return weight[at + k * BLOCK];
}

fn finish(row: u32, unit: u32, sum: Gates) {
    if row >= dims.batch || unit >= dims.hidden_size {
        return;
    }
    let sequence_row = step_index.t * dims.batch + row;
    let x = unpack_input(sequence_row * dims.input_stride + dims.input_offset + unit);
    let at = row * dims.hidden_size + unit;
    var previous = State(hidden[row * dims.depth + unit / 4u][unit % 4u], 0.0);
    if HAS_CELL_STATE {
        previous.c = cell_state[at];
    }
    let state = cell(x, sum + unpack_bias(unit), previous);
    next_hidden[row * dims.depth * 4u + unit] = state.h;
    output[sequence_row * dims.depth * 4u + unit] = state.h;
    if HAS_CELL_STATE {
        cell_state[at] = state.c;
    }
}
