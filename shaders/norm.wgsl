// norm: the update of a layer-normalised LSTM (Ba et al. 2016, equations 20 to 22), once `gemm` has the recurrent product:
//   a = LN(W_ih x) + LN(W_hh h_{t-1}) + b
//   c_t as the LSTM has it;  h_t = f(o) h(LN(c_t))
// A workgroup computes a batch row, and each of its invocations every 64th unit.

override PARAMETERS: u32 = 1u;
override INPUT_GATES: u32 = 4u;
override HAS_LENGTHS: bool = false;
override WRITES_OUTPUT: bool = true;
override WRITES_CELLS: bool = false;

const LANES: u32 = 64u;
const EPSILON: f32 = 1e-5;

struct Dims {
    batch: u32,
    // H.
    units: u32,
    // Row length of the input's gates, and where this direction begins in it, both counted in units.
    input_stride: u32,
    input_offset: u32,
    // Row length of the recurrent product, counted in units.
    sums_stride: u32,
    // Row length of next and of output.
    stride: u32,
    // Where the cell states of all steps begin in output.
    cells: u32,
    // The time step that t = 0 stands for.
    first_step: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> input: array<Vector>;               // [S, N, D, H] of 4 gates
@group(0) @binding(2) var<storage, read> sums: array<Vector>;                // [N, H] of 4 gates
// For each unit: bias; peephole; gain and bias of the input's product; of the recurrent one; gain and bias of c.
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;       // [H, PARAMETERS] of 4 gates
@group(0) @binding(4) var<storage, read> lengths: array<u32>;                // [N]
@group(0) @binding(5) var<storage, read_write> next: array<Number>;          // [N, H]
@group(0) @binding(6) var<storage, read_write> output: array<Number>;        // [S, N, H], and c [S, N, H]
@group(0) @binding(7) var<storage, read_write> cell_state: array<f32>;       // [N, H]

var<workgroup> partial: array<f32, LANES>;

// The sum over all lanes, for all lanes.
fn total(lane: u32, value: f32) -> f32 {
    partial[lane] = value;
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if lane < half {
            partial[lane] += partial[lane + half];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

fn input_of(at: u32) -> vec4<f32> {
    return vec4<f32>(input[at]);
}

fn sums_of(at: u32) -> vec4<f32> {
    return vec4<f32>(sums[at]);
}

fn sum_of(v: vec4<f32>) -> f32 {
    return v.x + v.y + v.z + v.w;
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let tile = tile_of(group, groups);
    // No lane may leave before the barriers are done, so that what is no row reads the last one and writes nothing.
    let row = min(tile, dims.batch - 1u);
    let sequence_row = time_step() * dims.batch + row;
    let input_at = sequence_row * dims.input_stride + dims.input_offset;
    let sums_at = row * dims.sums_stride;
    let output_at = sequence_row * dims.stride;
    let cells_at = dims.cells + sequence_row * dims.units;
    var is_past_the_end = false;
    if HAS_LENGTHS {
        is_past_the_end = dims.first_step + time_step() >= lengths[row];
    }
    let writes = tile < dims.batch && !is_past_the_end;

    let gates = 4.0 * f32(dims.units);
    var of_input = 0.0;
    var of_sums = 0.0;
    for (var unit = lane; unit < dims.units; unit += LANES) {
        of_input += sum_of(input_of(input_at + unit));
        of_sums += sum_of(sums_of(sums_at + unit));
    }
    let input_mean = total(lane, of_input) / gates;
    let sums_mean = total(lane, of_sums) / gates;
    of_input = 0.0;
    of_sums = 0.0;
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let x = input_of(input_at + unit) - input_mean;
        let h = sums_of(sums_at + unit) - sums_mean;
        of_input += sum_of(x * x);
        of_sums += sum_of(h * h);
    }
    let input_deviation = sqrt(total(lane, of_input) / gates + EPSILON);
    let sums_deviation = sqrt(total(lane, of_sums) / gates + EPSILON);

    // The new cell state, kept in its place for the second look at it; a row that is not written keeps its old one.
    var of_c = 0.0;
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let at = row * dims.units + unit;
        if writes {
            let a = gates_of(unit, (input_of(input_at + unit) - input_mean) / input_deviation,
                (sums_of(sums_at + unit) - sums_mean) / sums_deviation);
            cell_state[at] = cell_state_of(a, cell_state[at], unit);
        }
        of_c += cell_state[at];
    }
    let c_mean = total(lane, of_c) / f32(dims.units);
    of_c = 0.0;
    for (var unit = lane; unit < dims.units; unit += LANES) {
        let c = cell_state[row * dims.units + unit] - c_mean;
        of_c += c * c;
    }
    let c_deviation = sqrt(total(lane, of_c) / f32(dims.units) + EPSILON);

    if tile >= dims.batch {
        return;
    }
    for (var unit = lane; unit < dims.units; unit += LANES) {
        var h = 0.0;
        let c = cell_state[row * dims.units + unit];
        if writes {
            let a = gates_of(unit, (input_of(input_at + unit) - input_mean) / input_deviation,
                (sums_of(sums_at + unit) - sums_mean) / sums_deviation);
            let norm = unpack_parameters(PARAMETERS * unit + 6u);
            h = output_of(a, c, norm.x * (c - c_mean) / c_deviation + norm.y, unit);
            next[row * dims.stride + unit] = Number(h);
        }
        if WRITES_OUTPUT {
            output[output_at + unit] = Number(h);
        }
        if WRITES_CELLS {
            output[cells_at + unit] = Number(select(0.0, c, writes));
        }
    }
}

// Of the products without gain and bias.
fn gates_of(unit: u32, x: Gates, h: Gates) -> Gates {
    let at = PARAMETERS * unit;
    let from_input = unpack_parameters(at + 2u) * x + unpack_parameters(at + 3u);
    return unpack_parameters(at) + from_input + unpack_parameters(at + 4u) * h + unpack_parameters(at + 5u);
}
