// Gates i, f, g, o, here a:
// c_t = f(f) c_{t-1} + f(i) g(g)
// h_t = f(o) h(c_t)
// With peepholes i and f see c_{t-1}, and o sees c_t; coupled, the forget gate is 1 - f(i).

override PEEPHOLES: bool = false;
override COUPLED: bool = false;
override CLIPS_CELL: bool = false;
override CELL_MIN: f32 = 0.0;
override CELL_MAX: f32 = 0.0;
// Whether a NaN becomes the least value.
override CELL_CLIPS_NAN: bool = false;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let a = x + h;
    let c = cell_state_of(a, previous.c, unit);
    return State(output_of(a, c, c, unit), c);
}

fn cell_state_of(a: Gates, previous_c: f32, unit: u32) -> f32 {
    var p = Gates();
    if PEEPHOLES {
        p = peephole(unit);
    }
    let i = f_of(a.x + p.x * previous_c);
    var f = 1.0 - i;
    if !COUPLED {
        f = f_of(a.y + p.z * previous_c);
    }
    let c = f * previous_c + i * g_of(a.z);
    if CLIPS_CELL {
        let clipped = clip(c, CELL_MIN, CELL_MAX);
        return select(clipped, CELL_MIN, CELL_CLIPS_NAN && is_nan(c));
    }
    return c;
}

// `seen` is what the output sees of c.
fn output_of(a: Gates, c: f32, seen: f32, unit: u32) -> f32 {
    var p = Gates();
    if PEEPHOLES {
        p = peephole(unit);
    }
    return f_of(a.w + p.y * c) * h_of(seen);
}

// Of gates i, o, f, after the unit's bias.
fn peephole(unit: u32) -> Gates {
    return unpack_parameters(PARAMETERS * unit + 1u);
}
