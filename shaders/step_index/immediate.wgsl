// The time step, where the adapter has immediates; in a struct, since naga's HLSL writer refuses a bare number.
struct StepIndex {
    t: u32,
    // Of the reverse direction, where both are computed at once.
    t_of_other: u32,
    // Steps from there on, where a dispatch has many.
    count: u32,
}

var<immediate> step_index: StepIndex;

fn first_time_step(is_other: bool) -> u32 {
    return select(step_index.t, step_index.t_of_other, is_other);
}

fn time_steps() -> u32 {
    return step_index.count;
}
