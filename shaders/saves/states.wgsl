// A step of a saved call that keeps states, and no gates.
const SAVES: bool = true;
// c of every step is kept, and not the last one alone.
override SAVES_CELLS: bool = false;
const INPUT_ROW: u32 = INPUT_GATES;

// [S, N, D, H, G]
@group(0) @binding(1) var<storage, read> input_gates: array<StoredInputGates>;

fn save(at: u32, x: Gates, h: Gates) {}
