// The update of a unit, without layer normalisation.

// Vectors of a unit in the parameters of the forward step: the bias, and the peepholes.
const PARAMETERS: u32 = 2u;

// [U, 2] of 4 gates
@group(0) @binding(3) var<storage, read> parameters: array<vec4<f32>>;
// c [S + 1, N, H]
@group(0) @binding(5) var<storage, read> states: array<f32>;

// From the gradients by m = F(o) H(c_t) and by c_t as a result; gives m.
fn update(place: Place, dm: f32, by_cells: f32) -> f32 {
    var p = vec4<f32>();
    if PEEPHOLES {
        p = parameters[PARAMETERS * (direction * dims.direction_parameters + place.unit) + 1u];
    }
    let at = gates_at(place.sequence_row) + place.unit;
    let c_before = states[state_before(place)];
    let cell = cell_again(vec4<f32>(gates[at]), c_before, p);
    let squashed = output_activation(cell.c);
    let da_o = through_gate(cell.a_o, cell.o, dm * squashed);
    let dc = carry[carry_c_at(place)] + by_cells + dm * cell.o * output_slope(cell.c, squashed);
    let back = cell_back(cell, c_before, p, da_o, dc);
    gates[at] = Vector(back.da);
    carry[carry_c_at(place)] = back.dc;
    if PEEPHOLES {
        add_to_sum(place, 0u, back.peepholes.x);
        add_to_sum(place, 1u, back.peepholes.y);
        add_to_sum(place, 2u, back.peepholes.z);
    }
    return cell.o * squashed;
}
