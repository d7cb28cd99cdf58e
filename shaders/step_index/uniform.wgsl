// The time step, on an adapter without immediates (WebGPU): slots of a table of 0, 1, 2, ..., picked by
// dynamic offsets.
struct StepIndex {
    t: u32,
}

@group(1) @binding(0) var<uniform> step_index: StepIndex;
// The reverse direction's, with both directions in one dispatch.
@group(1) @binding(1) var<uniform> step_index_reverse: StepIndex;
// Steps of the dispatch, if it has many.
@group(1) @binding(2) var<uniform> step_count: StepIndex;

fn first_time_step(is_reverse: bool) -> u32 {
    return select(step_index.t, step_index_reverse.t, is_reverse);
}

fn time_steps() -> u32 {
    return step_count.t;
}
