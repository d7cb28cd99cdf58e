// LSTM, with the names of cell/lstm, c of them unclipped:
// da_o = dh H(c_t) F'(a_o)
// dc = dc_t + dh F(o) H'(c_t) + p_o da_o, and 0 where c was clipped
// da_i = dc G(g) F'(a_i), da_f = dc c_{t-1} F'(a_f), da_g = dc F(i) G'(a_g)
// dc_{t-1} = dc F(f) + p_i da_i + p_f da_f
// Coupled, f = 1 - F(i): da_i = dc (G(g) - c_{t-1}) F'(a_i), da_f = 0.

struct Cell {
    a_i: f32,
    a_f: f32,
    a_g: f32,
    a_o: f32,
    i: f32,
    f: f32,
    g: f32,
    o: f32,
    unclipped: f32,
    c: f32,
}

// The forward step again, from the pre-activations without the peepholes' parts p.
fn cell_again(gates: vec4<f32>, c_before: f32, p: vec4<f32>) -> Cell {
    var cell = Cell();
    cell.a_i = gates.x + p.x * c_before;
    cell.a_f = gates.y + p.z * c_before;
    cell.a_g = gates.z;
    cell.i = gate_activation(cell.a_i);
    cell.f = 1.0 - cell.i;
    if !COUPLED {
        cell.f = gate_activation(cell.a_f);
    }
    cell.g = candidate_activation(cell.a_g);
    cell.unclipped = cell.f * c_before + cell.i * cell.g;
    cell.c = cell.unclipped;
    if CLIPS_CELL {
        let clipped = clip(cell.unclipped, CELL_MIN, CELL_MAX);
        cell.c = select(clipped, CELL_MIN, CELL_CLIPS_NAN && is_nan(cell.unclipped));
    }
    cell.a_o = gates.w + p.y * cell.c;
    cell.o = gate_activation(cell.a_o);
    return cell;
}

// The gradients by the pre-activations, by c_{t-1} and by the peepholes of i, o and f.
struct CellGradient {
    da: vec4<f32>,
    dc: f32,
    peepholes: vec3<f32>,
}

// From the gradients by a_o and by c_t, the peephole's part apart.
fn cell_back(cell: Cell, c_before: f32, p: vec4<f32>, da_o: f32, dc_after: f32) -> CellGradient {
    var dc = dc_after + p.y * da_o;
    if CLIPS_CELL {
        // A number at the bound has no part in the result either.
        let c = cell.unclipped;
        if c <= CELL_MIN || c >= CELL_MAX || (CELL_CLIPS_NAN && is_nan(c)) {
            dc = 0.0;
        }
    }
    var by_i = dc * cell.g;
    var da_f = 0.0;
    if COUPLED {
        by_i = dc * (cell.g - c_before);
    } else {
        da_f = through_gate(cell.a_f, cell.f, dc * c_before);
    }
    let da_i = through_gate(cell.a_i, cell.i, by_i);
    let da_g = through_candidate(cell.a_g, cell.g, dc * cell.i);
    return CellGradient(
        vec4(da_i, da_f, da_g, da_o), dc * cell.f + p.x * da_i + p.z * da_f,
        vec3(da_i * c_before, da_o * cell.c, da_f * c_before),
    );
}
