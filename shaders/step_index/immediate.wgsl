// The time step t, where the adapter has immediates.
var<immediate> step_index: u32;
