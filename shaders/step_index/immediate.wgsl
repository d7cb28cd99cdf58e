// The time step, where the adapter has immediates; in a struct, since naga's HLSL writer refuses a bare number.
struct StepIndex {
    t: u32,
}

var<immediate> step_index: StepIndex;
