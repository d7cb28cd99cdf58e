// The time step, where it has none (WebGPU): slots of a table of 0, 1, 2, ..., picked by dynamic offsets.
struct StepIndex {
    t: u32,
}

@group(1) @binding(0) var<uniform> step_index: StepIndex;
// Of the reverse direction, where both are computed at once.
@group(1) @binding(1) var<uniform> step_index_of_other: StepIndex;
// Steps from there on, where a dispatch has many.
@group(1) @binding(2) var<uniform> step_count: StepIndex;

fn first_time_step(is_other: bool) -> u32 {
    return select(step_index.t, step_index_of_other.t, is_other);
}

fn time_steps() -> u32 {
    return step_count.t;
}
