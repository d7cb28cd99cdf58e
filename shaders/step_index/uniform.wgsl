// The time step t, where it has none (WebGPU): a slot of a table, picked by a dynamic offset.
@group(1) @binding(0) var<uniform> step_index: u32;
