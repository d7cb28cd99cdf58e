// LSTM, with the names of cell/lstm, c of them unclipped:
// da_o = dh H(c_t) F'(a_o)
// dc = dc_t + dh F(o) H'(c_t) + p_o da_o, and 0 where c was clipped
// da_i = dc G(g) F'(a_i), da_f = dc c_{t-1} F'(a_f), da_g = dc F(i) G'(a_g)
// dc_{t-1} = dc F(f) + p_i da_i + p_f da_f
// Coupled, f = 1 - F(i): da_i = dc (G(g) - c_{t-1}) F'(a_i), da_f = 0.

struct CellGradient {
    da: vec4<f32>,
    dc: f32,
    // F(o) H(c_t)
    m: f32,
    // By the peepholes of i, o and f.
    peephole: vec3<f32>,
}

// From the pre-activations without the peepholes' parts, c_{t-1}, and the gradients by m and c_t.
fn lstm_back(saved: vec4<f32>, c_before: f32, p: vec4<f32>, dm: f32, dc_after: f32) -> CellGradient {
    let a_i = saved.x + p.x * c_before;
    let a_f = saved.y + p.z * c_before;
    let i = gate_activation(a_i);
    var f = 1.0 - i;
    if !COUPLED {
        f = gate_activation(a_f);
    }
    let g = candidate_activation(saved.z);
    let unclipped = f * c_before + i * g;
    var c = unclipped;
    if CLIPS_CELL {
        c = select(clip(unclipped, CELL_MIN, CELL_MAX), CELL_MIN, CELL_CLIPS_NAN && is_nan(unclipped));
    }
    let a_o = saved.w + p.y * c;
    let o = gate_activation(a_o);
    let squashed = output_activation(c);
    let da_o = through_gate(a_o, o, dm * squashed);
    var dc = dc_after + dm * o * output_slope(c, squashed) + p.y * da_o;
    if CLIPS_CELL {
        if unclipped <= CELL_MIN || unclipped >= CELL_MAX || (CELL_CLIPS_NAN && is_nan(unclipped)) {
            dc = 0.0;
        }
    }
    var by_i = dc * g;
    var da_f = 0.0;
    if COUPLED {
        by_i = dc * (g - c_before);
    } else {
        da_f = through_gate(a_f, f, dc * c_before);
    }
    let da_i = through_gate(a_i, i, by_i);
    let da_g = through_candidate(saved.z, g, dc * i);
    let dc_before = dc * f + p.x * da_i + p.z * da_f;
    return CellGradient(
        vec4(da_i, da_f, da_g, da_o), dc_before, o * squashed, vec3(da_i * c_before, da_o * c, da_f * c_before),
    );
}

// Vectors of a unit in the parameters of the forward step: the bias, and the peepholes.
const PARAMETERS: u32 = 2u;

// [U, 2] of 4 gates
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
// c [S + 1, N, H]
@group(0) @binding(5) var<storage, read> states: array<f32>;

// The update of a unit whose gradient by m is known.
fn update(place: Place, dm: f32, by_cells: f32) -> f32 {
    var p = vec4<f32>();
    if PEEPHOLES {
        p = parameters[PARAMETERS * (direction * dims.direction_parameters + place.unit) + 1u];
    }
    let at = gates_at(place.sequence_row) + place.unit;
    let dc = carry[carry_c_at(place)] + by_cells;
    let back = lstm_back(vec4<f32>(gates[at]), states[state_before(place)], p, dm, dc);
    gates[at] = Vector(back.da);
    carry[carry_c_at(place)] = back.dc;
    if PEEPHOLES {
        add_to_sum(place, 0u, back.peephole.x);
        add_to_sum(place, 1u, back.peephole.y);
        add_to_sum(place, 2u, back.peephole.z);
    }
    return back.m;
}
