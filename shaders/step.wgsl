// step: one time step of one layer and direction, the recurrent product of all gates and the cell's update in one.
//   hidden[t_read] [N, H], weight [K=H, H, G], bias [H, G], input [T, N, D, H, G]  ->  hidden[t_write], cell_state [N, H]
// One invocation computes all gates of one unit for ROWS rows of the batch.

// Whether the cell carries c beside h.
override HAS_CELL_STATE: bool;

struct Dims {
    batch: u32,
    hidden_size: u32,
    // Row length of the input gates, and where this direction begins in it, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // A forward step reads slot t and writes t + 1 of [T+1, N, H]; a backward one reads t + 1 and writes t.
    reads: u32,
    writes: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> input: array<Packed>;               // [T, N, D, H, G]
@group(0) @binding(2) var<storage, read> weight: array<Packed>;              // [K=H, H, G]
@group(0) @binding(3) var<storage, read> bias: array<Packed>;                // [H, G]
@group(0) @binding(4) var<storage, read_write> hidden: array<f32>;           // [T+1, N, H]
@group(0) @binding(5) var<storage, read_write> cell_state: array<f32>;       // [N, H], or [1] unused

fn depth() -> u32 {
    return dims.hidden_size;
}

fn hidden_at(slot: u32, row: u32) -> u32 {
    return ((step_index + slot) * dims.batch + row) * dims.hidden_size;
}

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: vec4<u32>) -> vec4<u32> {
    return hidden_at(dims.reads, 0u) + min(row, vec4(dims.batch - 1u)) * dims.hidden_size;
}

fn left(at: u32) -> f32 {
    return hidden[at];
}

fn right(k: u32, unit: u32) -> Gates {
    return unpack_weight(k * dims.hidden_size + unit);
}

fn finish(row: u32, unit: u32, sum: Gates) {
    if row >= dims.batch {
        return;
    }
    let x = unpack_input((step_index * dims.batch + row) * dims.input_stride + dims.input_offset + unit);
    let at = row * dims.hidden_size + unit;
    var previous = State(hidden[hidden_at(dims.reads, row) + unit], 0.0);
    if HAS_CELL_STATE {
        previous.c = cell_state[at];
    }
    let state = cell(x, sum + unpack_bias(unit), previous);
    hidden[hidden_at(dims.writes, row) + unit] = state.h;
    if HAS_CELL_STATE {
        cell_state[at] = state.c;
    }
}

@compute @workgroup_size(WORKGROUP)
fn step(
    @builtin(global_invocation_id) id: vec3<u32>,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = tile_of(group, groups) * ROWS;
    if id.x < dims.hidden_size && row < dims.batch {
        multiply(row, id.x);
    }
}
