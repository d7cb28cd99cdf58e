// norm: the update of a layer-normalised LSTM (Ba et al. 2016, equations 20 to 22), from both products of
// gemm:
//   gates = LN(W_ih x) + LN(W_hh h_{t-1}) + bias
//   c_t as in cell/lstm;  h_t = F(o) H(LN(c_t))
// A workgroup computes a batch row, and each of its invocations every 64th unit.

override PARAMETERS: u32 = 1u;
override HAS_LENGTHS: bool = false;
override WRITES_OUTPUT: bool = true;
override WRITES_CELLS: bool = false;

struct Dims {
    batch: u32,
    // H.
    units: u32,
    // Row length of input_gates, and the place in a row where this direction begins, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // Row length of the recurrent product, counted in units.
    sums_stride: u32,
    // Row length of a_next and of output.
    stride: u32,
    // The place in output where the cell states of all steps begin.
    cells: u32,
    // Time steps of the sequence before t = 0.
    first_step: u32,
}

// With a saved call, output and cell_state have h and c of every step, as in step.wgsl.

@group(0) @binding(0) var<uniform> dims: Dims;
// [S, N, D, H] of 4 gates
@group(0) @binding(1) var<storage, read> input_gates: array<Vector>;
// The recurrent product, [N, H] of 4 gates
@group(0) @binding(2) var<storage, read> recurrent_gates: array<Vector>;
// [H, PARAMETERS] of 4 gates: bias; peephole; gain and bias of the input's product; gain and bias of the
// recurrent product; gain and bias of c.
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
// [N]
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
// [N, H]
@group(0) @binding(5) var<storage, read_write> a_next: array<Number>;
// [S, N, H], and c [S, N, H]
@group(0) @binding(6) var<storage, read_write> output: array<Number>;
// [N, H]
@group(0) @binding(7) var<storage, read_write> cell_state: array<f32>;

fn read_recurrent_gates(at: u32) -> Gates {
    return vec4<f32>(recurrent_gates[at]);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let tile = tile_of(group, groups);
    // No lane may leave before the barriers are done, so that a row past the last reads the last row and
    // writes nothing.
    let row = min(tile, dims.batch - 1u);
    let sequence_row = time_step() * dims.batch + row;
    let input_at = sequence_row * dims.input_stride + dims.input_offset;
    let recurrent_at = row * dims.sums_stride;
    var output_row = sequence_row;
    var cell_after = row * dims.units;
    var cell_before = cell_after;
    if SAVES {
        if !is_reverse() {
            output_row += dims.batch;
        }
        cell_after = output_row * dims.units;
        cell_before = (2u * sequence_row + dims.batch - output_row) * dims.units;
    }
    let output_at = output_row * dims.stride;
    let cells_at = dims.cells + sequence_row * dims.units;
    var is_past_the_end = false;
    if HAS_LENGTHS {
        is_past_the_end = dims.first_step + time_step() >= lengths[row];
    }
    let writes = tile < dims.batch && !is_past_the_end;

    let count = 4.0 * f32(dims.units);
    // Sums over the input's product (x) and over the recurrent one (y).
    var sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        sums.x += sum_of(read_input_gates(input_at + unit));
        sums.y += sum_of(read_recurrent_gates(recurrent_at + unit));
    }
    sums = total(lane, sums) / count;
    let input_mean = sums.x;
    let recurrent_mean = sums.y;
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let x = read_input_gates(input_at + unit) - input_mean;
        let h = read_recurrent_gates(recurrent_at + unit) - recurrent_mean;
        sums.x += sum_of(x * x);
        sums.y += sum_of(h * h);
    }
    sums = sqrt(total(lane, sums) / count + EPSILON);
    let input_deviation = sums.x;
    let recurrent_deviation = sums.y;

    // The new cell state, stored to be read again below; a row past its end keeps its old one.
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let at = cell_after + unit;
        if writes {
            let gates = gates_of(unit, (read_input_gates(input_at + unit) - input_mean) / input_deviation,
                (read_recurrent_gates(recurrent_at + unit) - recurrent_mean) / recurrent_deviation);
            cell_state[at] = cell_state_of(gates, cell_state[cell_before + unit], unit);
            save(sequence_row * dims.units + unit, recurrent_at + unit);
        } else if SAVES && tile < dims.batch {
            cell_state[at] = cell_state[cell_before + unit];
        }
        sums.x += cell_state[at];
    }
    let c_mean = total(lane, sums).x / f32(dims.units);
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let c = cell_state[cell_after + unit] - c_mean;
        sums.x += c * c;
    }
    let c_deviation = sqrt(total(lane, sums).x / f32(dims.units) + EPSILON);

    if tile >= dims.batch {
        return;
    }
    for (var unit = lane; unit < dims.units; unit += LANES) {
        var h = 0.0;
        let c = cell_state[cell_after + unit];
        if SAVES && is_past_the_end && WRITES_OUTPUT {
            h = f32(a_next[row * dims.stride + unit]);
        }
        if writes {
            let gates = gates_of(unit, (read_input_gates(input_at + unit) - input_mean) / input_deviation,
                (read_recurrent_gates(recurrent_at + unit) - recurrent_mean) / recurrent_deviation);
            let norm = read_parameters(PARAMETERS * unit + 6u);
            h = output_of(gates, c, norm.x * (c - c_mean) / c_deviation + norm.y, unit);
            a_next[row * dims.stride + unit] = Number(h);
        }
        if WRITES_OUTPUT {
            output[output_at + unit] = Number(h);
        }
        if WRITES_CELLS {
            output[cells_at + unit] = Number(select(0.0, c, writes));
        }
    }
}

// The gates from both normalised products, before gain and bias.
fn gates_of(unit: u32, x: Gates, h: Gates) -> Gates {
    let at = PARAMETERS * unit;
    let from_input = read_parameters(at + 2u) * x + read_parameters(at + 3u);
    return read_parameters(at) + from_input + read_parameters(at + 4u) * h + read_parameters(at + 5u);
}
