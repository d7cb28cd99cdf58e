// The sizes of a step on the way back, and the places of a unit in its arrays.

override HAS_LENGTHS: bool = false;
// The gradient by the initial state: the last product alone, after all steps.
override ENDS: bool = false;
// There is a gradient by the output of every step, this many times the number that is given; and one by c.
override HAS_GRADIENT: bool = true;
override GRADIENT_SCALE: f32 = 1.0;
override HAS_CELLS: bool = false;

struct Dims {
    batch: u32,
    // U.
    units: u32,
    // K, in vectors of four.
    depth: u32,
    // Time steps of the sequence before t = 0.
    first_step: u32,
    // S: the row of time where the step that follows the segment in time, or precedes it, has its gradients.
    border: u32,
    // Row length of gates, the place in a row where this direction begins, and the length of one direction's
    // part: in vectors of four.
    gates_stride: u32,
    gates_offset: u32,
    direction_gates: u32,
    // The length of one direction's weights, in vectors of four; of its parameters, in units.
    direction_weight: u32,
    direction_parameters: u32,
    // Row length of the states that are kept, and the length of one direction's.
    states_stride: u32,
    direction_states: u32,
    // The places in carry where c, and where sums over time begin; row length of h there.
    carry_stride: u32,
    carry_cells: u32,
    carry_sums: u32,
    // The length of one such sum, of all directions.
    sum_len: u32,
    // The place in carry where the sums of parts of K begin.
    carry_parts: u32,
    // Row length of the gradient by the output, the place in a row where this direction begins, and the
    // length of one direction's part of a row.
    gradient_stride: u32,
    gradient_offset: u32,
    direction_gradient: u32,
    // The place where the gradient by c of every step begins, its row length, and the place of this direction.
    cells_start: u32,
    cells_stride: u32,
    cells_offset: u32,
    // Row length of `a`, and the length of one direction's part, where a has rows of its own: in vectors.
    a_stride: u32,
    direction_a: u32,
    // Row length of the results for later sums, and the length of one direction's.
    m_stride: u32,
    direction_m: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;

// The place of a unit in a step.
struct Place {
    row: u32,
    unit: u32,
    // t * N + row, and direction * N + row.
    sequence_row: u32,
    own_row: u32,
}

// The vector of gates where a row of time and batch begins for this direction.
fn gates_at(sequence_row: u32) -> u32 {
    return sequence_row * dims.gates_stride + dims.gates_offset + direction * dims.direction_gates;
}

// The row of time that the step before on the way back has written: t + 1 of the forward direction.
fn row_before() -> u32 {
    let t = time_step();
    if ENDS {
        return t;
    }
    if is_reverse() {
        return select(t - 1u, dims.border, t == 0u);
    }
    return t + 1u;
}

// The state that this step started from, in the arrays of states.
fn state_before(place: Place) -> u32 {
    let t = place.sequence_row + select(0u, dims.batch, is_reverse());
    return direction * dims.direction_states + t * dims.states_stride + place.unit;
}

fn carry_h_at(place: Place) -> u32 {
    return place.own_row * dims.carry_stride + place.unit;
}

fn carry_c_at(place: Place) -> u32 {
    return dims.carry_cells + place.own_row * dims.units + place.unit;
}

fn m_at(place: Place) -> u32 {
    return direction * dims.direction_m + place.sequence_row * dims.m_stride + place.unit;
}

fn add_to_sum(place: Place, index: u32, number: f32) {
    carry[dims.carry_sums + index * dims.sum_len + place.own_row * dims.units + place.unit] += number;
}

fn gradient_at(place: Place) -> u32 {
    return place.sequence_row * dims.gradient_stride + dims.gradient_offset + direction * dims.direction_gradient
        + place.unit;
}

fn cells_at(place: Place) -> u32 {
    return dims.cells_start + place.sequence_row * dims.cells_stride + dims.cells_offset
        + direction * dims.units + place.unit;
}
