// step: one time step of one layer and direction, the recurrent product of all gates and the cell's update in one.
//   left [N, K], weight [K, U, G], parameters [U, G], input [S, N, D, H, G]  ->  next [N, U], output[t] [N, U], cell_state
// A cell with two products is two such steps: of U units each, what the first one writes (next) is left of the second.
// One invocation computes all gates of one unit for ROWS rows of the batch. Where both directions are computed at once, all
// arrays but the input, which has both, and the lengths begin with the forward one's and go on with the reverse one's. What is written is bound by single numbers, and
// is another buffer than what is read by fours: neighbours that each write a part of one vector may undo each other's.

// The gates of a unit in the input, and the first of them that is read; all, or a part of them.
override INPUT_GATES: u32 = 1u;
override INPUT_FIRST: u32 = 0u;
// Vectors, or single numbers, of parameters for each unit.
override PARAMETERS: u32 = 1u;
override HAS_INPUT: bool = true;
override HAS_LENGTHS: bool = false;
// Where h_{t-1} of the unit is: in left, or in next, which is then the place of h. Else the cell does not ask for it.
override HIDDEN_IS_LEFT: bool = false;
override HIDDEN_IS_NEXT: bool = false;
override READS_CELL: bool = false;
override WRITES_CELL: bool = false;
// Whether next becomes left of the next time step, so that a row past its end has to be handed through.
override ALTERNATES: bool = true;
override WRITES_OUTPUT: bool = true;
// Whether c is kept for every step, after all of the output.
override WRITES_CELLS: bool = false;

struct Dims {
    batch: u32,
    // U.
    units: u32,
    // K, the length of a row of left, in vectors of four.
    depth: u32,
    // Row length of the input's gates, and where this direction begins in it, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // Row length of next and of output.
    stride: u32,
    // Where the cell states of all steps begin in output.
    cells: u32,
    // The time step that t = 0 stands for.
    first_step: u32,
    // Lengths of one direction's weights and output.
    side_weight: u32,
    side_output: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> input: array<PackedInput>;          // [S, N, D, H, G]
@group(0) @binding(2) var<storage, read> weight: array<StoredWeights>;       // [U/BLOCK, K/4, BLOCK] of G gates by 4 k
@group(0) @binding(3) var<storage, read> parameters: array<Packed>;          // [U, PARAMETERS] of G gates
@group(0) @binding(4) var<storage, read> left_side: array<Vector>;           // [N, K/4] of 4 k
@group(0) @binding(5) var<storage, read> lengths: array<u32>;                // [N]
@group(0) @binding(6) var<storage, read_write> next: array<Number>;          // [N, U]
@group(0) @binding(7) var<storage, read_write> output: array<Number>;        // [S, N, U], and c [S, N, U]
@group(0) @binding(8) var<storage, read_write> cell_state: array<f32>;       // [N, U], or [1] unused

fn rows() -> u32 {
    return dims.batch;
}

fn depth() -> u32 {
    return dims.depth;
}

fn right_at(unit: u32) -> u32 {
    return side * dims.side_weight + block_at(min(unit, dims.units - 1u), dims.depth);
}

fn right(at: u32, k: u32) -> Weights {
    return Weights(weight[at + k * BLOCK]);
}

fn finish(row: u32, unit: u32, sum: Gates) {
    if row >= dims.batch || unit >= dims.units {
        return;
    }
    let t = time_step();
    let sequence_row = t * dims.batch + row;
    let own_row = side * dims.batch + row;
    let own_unit = side * dims.units + unit;
    let at = own_row * dims.units + unit;
    let output_at = side * dims.side_output + sequence_row * dims.stride + unit;
    let cells_at = side * dims.side_output + dims.cells + sequence_row * dims.units + unit;
    var previous = State();
    if HIDDEN_IS_LEFT {
        previous.h = f32(left_side[own_row * dims.depth + unit / 4u][unit % 4u]);
    }
    if HAS_LENGTHS {
        if dims.first_step + t >= lengths[row] {
            if WRITES_OUTPUT {
                output[output_at] = Number();
            }
            if WRITES_CELLS {
                output[cells_at] = Number();
            }
            if ALTERNATES {
                set_next_h(row, unit, previous.h);
            }
            return;
        }
    }
    if HIDDEN_IS_NEXT {
        previous.h = next_h(row, unit);
    }
    if READS_CELL {
        previous.c = cell_state[at];
    }
    var x = Gates();
    if HAS_INPUT {
        x = unpack_input(sequence_row * dims.input_stride + dims.input_offset + own_unit);
    }
    var h = sum;
    if PARAMETERS > 0u {
        h += unpack_parameters(PARAMETERS * own_unit);
    }
    let state = cell(x, h, previous, own_unit);
    set_next_h(row, unit, state.h);
    if WRITES_OUTPUT {
        output[output_at] = Number(state.h);
    }
    if WRITES_CELL {
        cell_state[at] = state.c;
    }
    if WRITES_CELLS {
        output[cells_at] = Number(state.c);
    }
}
