// step: one time step of one layer and direction, the recurrent product of all gates and the cell's update in
// one.
//   a [N, K], b [K, U, G], parameters [U, G], input_gates [S, N, D, H, G]
//   ->  a_next [N, U], output[t] [N, U], cell_state [N, U]
// A cell with two products takes two such steps: a_next of the first is a of the second. One invocation
// computes all gates of one unit for ROWS rows of the batch. With both directions in one dispatch, each array
// holds the forward direction's part and then the reverse one's, except input_gates, whose rows hold both,
// and the lengths. A saved call keeps h and c of every step in order of time, and the initial state before the
// first step in the direction's order. Arrays that are written are bound as single numbers, and are never the
// buffer that is read by fours: invocations that each write a part of one vector may undo each other's store.

// Parameters per unit, in vectors of all gates.
override PARAMETERS: u32 = 1u;
override HAS_LENGTHS: bool = false;
// h_{t-1} of the unit, if the cell reads it, lies in a_next, which is the place of h; else in a.
override HIDDEN_IS_NEXT: bool = false;
// a and a_next swap after each time step, so that a row past its end is copied from the one to the other.
override ALTERNATES: bool = true;
override WRITES_OUTPUT: bool = true;
// c of every step goes to the output's buffer, after all of the output.
override WRITES_CELLS: bool = false;

struct Dims {
    batch: u32,
    // U.
    units: u32,
    // K, the length of a row of a, in vectors of four.
    depth: u32,
    // Row length of input_gates, and the place in a row where this direction begins, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // Row length of a_next and of output.
    stride: u32,
    // The place in output where the cell states of all steps begin.
    cells: u32,
    // Time steps of the sequence before t = 0.
    first_step: u32,
    // Lengths of one direction's part: of a row of input_gates, in units; of b, in Weights; of parameters, in
    // units; of output.
    direction_input: u32,
    direction_weight: u32,
    direction_parameters: u32,
    direction_output: u32,
    // The length of one direction's cell states that a saved call keeps.
    direction_cells: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// [U/BLOCK, K/4, BLOCK] of G gates by 4 k
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
// [U, PARAMETERS] of G gates
@group(0) @binding(3) var<storage, read> parameters: array<StoredParameters>;
// [N, K/4] of 4 k
@group(0) @binding(4) var<storage, read> a: array<Vector>;
// [N]
@group(0) @binding(5) var<storage, read> lengths: array<u32>;
// [N, U]
@group(0) @binding(6) var<storage, read_write> a_next: array<Number>;
// [S, N, U], and c [S, N, U]; of a saved call [S + 1, N, U]
@group(0) @binding(7) var<storage, read_write> output: array<Number>;
// [N, U], of a saved call [S + 1, N, U], or [1] without use
@group(0) @binding(8) var<storage, read_write> cell_state: array<f32>;

fn rows() -> u32 {
    return dims.batch;
}

fn depth() -> u32 {
    return dims.depth;
}

fn b_at(unit: u32) -> u32 {
    return direction * dims.direction_weight + block_at(min(unit, dims.units - 1u), dims.depth);
}

fn read_b(at: u32, k: u32) -> Weights {
    return Weights(b[at + k * BLOCK]);
}

fn epilogue(row: u32, unit: u32, sum: Gates) {
    if row >= dims.batch || unit >= dims.units {
        return;
    }
    let t = time_step();
    let sequence_row = t * dims.batch + row;
    let own_row = direction * dims.batch + row;
    let own_parameters = direction * dims.direction_parameters + unit;
    var output_row = sequence_row;
    if SAVES && !is_reverse() {
        output_row += dims.batch;
    }
    let output_at = direction * dims.direction_output + output_row * dims.stride + unit;
    let cells_at = direction * dims.direction_output + dims.cells + sequence_row * dims.units + unit;
    var cell_before = own_row * dims.units + unit;
    var cell_after = cell_before;
    if SAVES_CELLS {
        let start = direction * dims.direction_cells + unit;
        cell_after = start + output_row * dims.units;
        cell_before = start + (2u * sequence_row + dims.batch - output_row) * dims.units;
    }
    var previous = State();
    if (READS_H && !HIDDEN_IS_NEXT) || (ALTERNATES && HAS_LENGTHS) {
        previous.h = f32(a[own_row * dims.depth + unit / 4u][unit % 4u]);
    }
    if HAS_LENGTHS {
        if dims.first_step + t >= lengths[row] {
            if WRITES_OUTPUT {
                if SAVES && !ALTERNATES {
                    previous.h = next_h(row, unit);
                }
                output[output_at] = select(Number(), Number(previous.h), SAVES);
            }
            if WRITES_CELLS {
                output[cells_at] = Number();
            }
            if SAVES_CELLS {
                cell_state[cell_after] = cell_state[cell_before];
            }
            if ALTERNATES {
                set_next_h(row, unit, previous.h);
            }
            return;
        }
    }
    if READS_H && HIDDEN_IS_NEXT {
        previous.h = next_h(row, unit);
    }
    if READS_C {
        previous.c = cell_state[cell_before];
    }
    var x = Gates();
    let input_at = sequence_row * dims.input_stride + dims.input_offset + direction * dims.direction_input + unit;
    if HAS_INPUT {
        x = read_input_gates(input_at);
    }
    var h = sum;
    if PARAMETERS > 0u {
        h += read_parameters(PARAMETERS * own_parameters);
    }
    let state = cell(x, h, previous, own_parameters);
    save(input_at, x, h);
    set_next_h(row, unit, state.h);
    if WRITES_OUTPUT {
        output[output_at] = Number(state.h);
    }
    if WRITES_C {
        cell_state[cell_after] = state.c;
    }
    if WRITES_CELLS {
        output[cells_at] = Number(state.c);
    }
}
