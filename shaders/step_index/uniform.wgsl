// The time step, where it has none (WebGPU): a slot of a table, picked by a dynamic offset.
struct StepIndex {
    t: u32,
}

@group(1) @binding(0) var<uniform> step_index: StepIndex;
// Of the backward direction, where both are computed at once.
@group(1) @binding(1) var<uniform> step_index_of_other: StepIndex;

fn time_step() -> u32 {
    return select(step_index.t, step_index_of_other.t, side == 1u);
}
