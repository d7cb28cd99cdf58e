// step: one time step of one layer and direction, the recurrent product of all gates and the cell's update in one.
//   hidden[t + reads] [N, H], weight [K=H, H, G], bias [H, G], input [T, N, D, H, G]  ->  hidden[t + writes], cell_state
// One invocation computes all gates of one unit for ROWS rows of the batch.

override HAS_CELL_STATE: bool;

struct Dims {
    batch: u32,
    hidden_size: u32,
    // H in vectors of four, which is K and the length of a row of hidden.
    depth: u32,
    // Row length of the input's gates, and where this direction begins in it, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // A forward step reads slot t and writes t + 1 of [T+1, N, H]; a backward one reads t + 1 and writes t.
    reads: u32,
    writes: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> input: array<Packed>;               // [T, N, D, H, G]
@group(0) @binding(2) var<storage, read> weight: array<Weights>;             // [H/BLOCK, K/4, BLOCK] of G gates by 4 k
@group(0) @binding(3) var<storage, read> bias: array<Packed>;                // [H, G]
@group(0) @binding(4) var<storage, read_write> hidden: array<vec4<f32>>;     // [T+1, N, H/4] of 4 units
@group(0) @binding(5) var<storage, read_write> cell_state: array<f32>;       // [N, H], or [1] unused

fn rows() -> u32 {
    return dims.batch;
}

fn depth() -> u32 {
    return dims.depth;
}

fn hidden_at(slot: u32, row: u32) -> u32 {
    return ((step_index.t + slot) * dims.batch + row) * dims.depth;
}

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: u32) -> u32 {
    return hidden_at(dims.reads, min(row, dims.batch - 1u));
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
    let x = unpack_input((step_index.t * dims.batch + row) * dims.input_stride + dims.input_offset + unit);
    let at = row * dims.hidden_size + unit;
    var previous = State(hidden[hidden_at(dims.reads, row) + unit / 4u][unit % 4u], 0.0);
    if HAS_CELL_STATE {
        previous.c = cell_state[at];
    }
    let state = cell(x, sum + unpack_bias(unit), previous);
    hidden[hidden_at(dims.writes, row) + unit / 4u][unit % 4u] = state.h;
    if HAS_CELL_STATE {
        cell_state[at] = state.c;
    }
}
