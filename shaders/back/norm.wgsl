// The update of a layer-normalised LSTM on the way back (Ba et al. 2016), once the gradient by m = F(o)
// H(LN(c_t)) is known. With y = gain x^ + bias, x^ = (x - mean) / deviation over n numbers, and d^ = gain dy:
// dx = (d^ - sum(d^) / n - x^ sum(d^ x^) / n) / deviation
// A workgroup computes a batch row, and each of its invocations every 64th unit.

override PARAMETERS: u32 = 1u;

// The input's product [S + 1, N, D, H] of 4 gates, and then the gradient by it
@group(0) @binding(1) var<storage, read_write> gates: array<Vector>;
// The recurrent product [S + 1, N, H] of 4 gates, and then the gradient by it
@group(0) @binding(2) var<storage, read_write> recurrent: array<Vector>;
// [H, PARAMETERS] of 4 gates, as in norm.wgsl
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
// c [S + 1, N, H]
@group(0) @binding(5) var<storage, read> states: array<f32>;
@group(0) @binding(6) var<storage, read_write> carry: array<f32>;
// By m of every step, and by c
@group(0) @binding(7) var<storage, read> gradient: array<f32>;
// m of every step, for the gradient by the projection's weight
@group(0) @binding(8) var<storage, read_write> m: array<f32>;

override HAS_M: bool = false;

// Mean and deviation of both products, and of c.
struct Statistics {
    input_mean: f32,
    input_deviation: f32,
    recurrent_mean: f32,
    recurrent_deviation: f32,
    c_mean: f32,
    c_deviation: f32,
}

// A unit of the forward step again.
struct Unit {
    input: vec4<f32>,
    recurrent: vec4<f32>,
    p: vec4<f32>,
    c_before: f32,
    cell: Cell,
}

fn input_at(place: Place) -> u32 {
    return gates_at(place.sequence_row) + place.unit;
}

fn recurrent_at(place: Place) -> u32 {
    return place.sequence_row * dims.units + place.unit;
}

fn unit_again(place: Place, known: Statistics) -> Unit {
    let at = PARAMETERS * place.unit;
    var unit = Unit();
    unit.input = (vec4<f32>(gates[input_at(place)]) - known.input_mean) / known.input_deviation;
    unit.recurrent = (vec4<f32>(recurrent[recurrent_at(place)]) - known.recurrent_mean) / known.recurrent_deviation;
    if PEEPHOLES {
        unit.p = parameters[at + 1u];
    }
    let x = parameters[at + 2u] * unit.input + parameters[at + 3u];
    let h = parameters[at + 4u] * unit.recurrent + parameters[at + 5u];
    unit.c_before = states[state_before(place)];
    unit.cell = cell_again(parameters[at] + x + h, unit.c_before, unit.p);
    return unit;
}

// The output's part of a unit, from the gradient by m.
struct Output {
    // c normalised, and the gradient by it, gain included; by gain and bias.
    normal: f32,
    d_normal: f32,
    by_gain: f32,
    by_bias: f32,
    da_o: f32,
    m: f32,
}

fn output_back(place: Place, cell: Cell, known: Statistics) -> Output {
    let norm = parameters[PARAMETERS * place.unit + 6u];
    let normal = (cell.c - known.c_mean) / known.c_deviation;
    let seen = norm.x * normal + norm.y;
    let squashed = output_activation(seen);
    let dm = gradient[gradient_at(place)];
    let d_seen = dm * cell.o * output_slope(seen, squashed);
    return Output(
        normal, norm.x * d_seen, d_seen * normal, d_seen, through_gate(cell.a_o, cell.o, dm * squashed),
        cell.o * squashed,
    );
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
    let t = time_step();
    var place = Place(row, 0u, t * dims.batch + row, row);
    var is_past = false;
    if HAS_LENGTHS {
        is_past = dims.first_step + t >= lengths[row];
    }
    let writes = tile < dims.batch && !is_past;
    let units = f32(dims.units);

    var known = Statistics();
    var sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        sums.x += sum_of(vec4<f32>(gates[input_at(place)]));
        sums.y += sum_of(vec4<f32>(recurrent[recurrent_at(place)]));
    }
    sums = total(lane, sums) / (4.0 * units);
    known.input_mean = sums.x;
    known.recurrent_mean = sums.y;
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        let x = vec4<f32>(gates[input_at(place)]) - known.input_mean;
        let h = vec4<f32>(recurrent[recurrent_at(place)]) - known.recurrent_mean;
        sums.x += sum_of(x * x);
        sums.y += sum_of(h * h);
    }
    sums = sqrt(total(lane, sums) / (4.0 * units) + EPSILON);
    known.input_deviation = sums.x;
    known.recurrent_deviation = sums.y;
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        sums.x += unit_again(place, known).cell.c;
    }
    known.c_mean = total(lane, sums).x / units;
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        let c = unit_again(place, known).cell.c - known.c_mean;
        sums.x += c * c;
    }
    known.c_deviation = sqrt(total(lane, sums).x / units + EPSILON);

    // Back through the normalisation of c.
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        let output = output_back(place, unit_again(place, known).cell, known);
        sums.x += output.d_normal;
        sums.y += output.d_normal * output.normal;
    }
    let of_c = total(lane, sums) / units;

    // Back through the cell, up to the sums of the gates' normalisations.
    sums = vec4<f32>();
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        let again = unit_again(place, known);
        let da = unit_back(place, again, output_back(place, again.cell, known), of_c, known).da;
        let d_input = parameters[PARAMETERS * unit + 2u] * da;
        let d_recurrent = parameters[PARAMETERS * unit + 4u] * da;
        sums += vec4(sum_of(d_input), sum_of(d_input * again.input), sum_of(d_recurrent),
            sum_of(d_recurrent * again.recurrent));
    }
    let of_gates = total(lane, sums) / (4.0 * units);

    if tile >= dims.batch {
        return;
    }
    for (var unit = lane; unit < dims.units; unit += LANES) {
        place.unit = unit;
        if !writes {
            gates[input_at(place)] = Vector();
            recurrent[recurrent_at(place)] = Vector();
            if HAS_M {
                m[m_at(place)] = 0.0;
            }
            continue;
        }
        let again = unit_again(place, known);
        let output = output_back(place, again.cell, known);
        let back = unit_back(place, again, output, of_c, known);
        let d_input = parameters[PARAMETERS * unit + 2u] * back.da;
        let d_recurrent = parameters[PARAMETERS * unit + 4u] * back.da;
        gates[input_at(place)] =
            Vector((d_input - of_gates.x - again.input * of_gates.y) / known.input_deviation);
        recurrent[recurrent_at(place)] =
            Vector((d_recurrent - of_gates.z - again.recurrent * of_gates.w) / known.recurrent_deviation);
        carry[carry_c_at(place)] = back.dc;
        if HAS_M {
            m[m_at(place)] = output.m;
        }
        let by_input = back.da * again.input;
        let by_recurrent = back.da * again.recurrent;
        for (var gate = 0u; gate < 4u; gate += 1u) {
            add_to_sum(place, gate, back.da[gate]);
            add_to_sum(place, 4u + gate, by_input[gate]);
            add_to_sum(place, 8u + gate, by_recurrent[gate]);
        }
        add_to_sum(place, 12u, output.by_gain);
        add_to_sum(place, 13u, output.by_bias);
        if PEEPHOLES {
            add_to_sum(place, 14u, back.peepholes.x);
            add_to_sum(place, 15u, back.peepholes.y);
            add_to_sum(place, 16u, back.peepholes.z);
        }
    }
}

fn unit_back(place: Place, again: Unit, output: Output, of_c: vec4<f32>, known: Statistics) -> CellGradient {
    var dc = carry[carry_c_at(place)] + (output.d_normal - of_c.x - output.normal * of_c.y) / known.c_deviation;
    if HAS_CELLS {
        dc += gradient[cells_at(place)];
    }
    return cell_back(again.cell, again.c_before, again.p, output.da_o, dc);
}
