// The time step, where it has none (WebGPU): a slot of a table, picked by a dynamic offset.
struct StepIndex {
    t: u32,
}

@group(1) @binding(0) var<uniform> step_index: StepIndex;
