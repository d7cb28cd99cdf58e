// A step of a saved call keeps the recurrent product too; that of the input stays where it is.
const SAVES: bool = true;

// [S + 1, N, H] of 4 gates
@group(0) @binding(8) var<storage, read_write> recurrent: array<Vector>;

fn save(at: u32, from_at: u32) {
    recurrent[at] = recurrent_gates[from_at];
}
