// The time step, on an adapter with immediates; in a struct, since naga's HLSL writer refuses a bare number.
struct StepIndex {
    t: u32,
    // The reverse direction's, with both directions in one dispatch.
    t_reverse: u32,
    // Steps of the dispatch, if it has many.
    count: u32,
}

var<immediate> step_index: StepIndex;

fn first_time_step(is_reverse: bool) -> u32 {
    return select(step_index.t, step_index.t_reverse, is_reverse);
}

fn time_steps() -> u32 {
    return step_index.count;
}
