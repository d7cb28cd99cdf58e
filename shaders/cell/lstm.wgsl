// Gates i, f, g, o; activations F, G, H:
// c_t = F(f) c_{t-1} + F(i) G(g)
// h_t = F(o) H(c_t)
// With peepholes i and f see c_{t-1}, and o sees c_t; coupled, the forget gate is 1 - F(i).

// The input's gates that it reads, from the first one on, of those that a unit has.
const HAS_INPUT: bool = true;
const INPUT_GATES: u32 = 4u;
const INPUT_FIRST: u32 = 0u;
// h_{t-1} and c_{t-1} of its unit that it reads, and c_t that it writes.
const READS_H: bool = false;
const READS_C: bool = true;
const WRITES_C: bool = true;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let gates = x + h;
    let c = cell_state_of(gates, previous.c, unit);
    return State(output_of(gates, c, c, unit), c);
}

fn cell_state_of(gates: Gates, previous_c: f32, unit: u32) -> f32 {
    var p = Gates();
    if PEEPHOLES {
        p = peephole(unit);
    }
    let i = gate_activation(gates.x + p.x * previous_c);
    var f = 1.0 - i;
    if !COUPLED {
        f = gate_activation(gates.y + p.z * previous_c);
    }
    let c = f * previous_c + i * candidate_activation(gates.z);
    if CLIPS_CELL {
        let clipped = clip(c, CELL_MIN, CELL_MAX);
        return select(clipped, CELL_MIN, CELL_CLIPS_NAN && is_nan(c));
    }
    return c;
}

// `seen` is c as H sees it: c itself, or c normalised.
fn output_of(gates: Gates, c: f32, seen: f32, unit: u32) -> f32 {
    var p = Gates();
    if PEEPHOLES {
        p = peephole(unit);
    }
    return gate_activation(gates.w + p.y * c) * output_activation(seen);
}

// The peephole weights of gates i, o, f, after the unit's bias.
fn peephole(unit: u32) -> Gates {
    return read_parameters(PARAMETERS * unit + 1u);
}
