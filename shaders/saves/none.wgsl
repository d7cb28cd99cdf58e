// A step of a call that is not saved reads the input's gates.
const SAVES: bool = false;
const SAVES_CELLS: bool = false;
// Numbers of a unit in a row of the input's gates.
const INPUT_ROW: u32 = INPUT_GATES;

// [S, N, D, H, G]
@group(0) @binding(1) var<storage, read> input_gates: array<StoredInputGates>;

fn save(at: u32, x: Gates, h: Gates) {}
