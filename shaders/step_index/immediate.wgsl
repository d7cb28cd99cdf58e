// The time step, where the adapter has immediates; in a struct, since naga's HLSL writer refuses a bare number.
struct StepIndex {
    t: u32,
    // Of the backward direction, where both are computed at once.
    t_of_other: u32,
}

var<immediate> step_index: StepIndex;

fn time_step() -> u32 {
    return select(step_index.t, step_index.t_of_other, side == 1u);
}
