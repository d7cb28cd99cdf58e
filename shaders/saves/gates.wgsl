// A step of a saved call writes the pre-activations where the input's gates were. Three gates have rows of
// four numbers, the last of which is the recurrent part of the candidate.
const SAVES: bool = true;
// c of every step is kept, and not the last one alone.
override SAVES_CELLS: bool = false;
// Numbers of a unit in a row of the input's gates.
const INPUT_ROW: u32 = INPUT_GATES + INPUT_GATES % 4u / 3u;

// [S + 1, N, D, H, G]
@group(0) @binding(1) var<storage, read_write> input_gates: array<StoredInputGates>;
