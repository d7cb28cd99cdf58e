// A step of a saved call that has no gates of the input keeps states alone.
const SAVES: bool = true;
const SAVES_CELLS: bool = false;
const INPUT_ROW: u32 = INPUT_GATES;

@group(0) @binding(1) var<storage, read> input_gates: array<StoredInputGates>;

fn save(at: u32, x: Gates, h: Gates) {}
