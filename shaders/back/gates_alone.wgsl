// Gates of a unit make up a vector, which its invocation writes as a whole.
// [S + 1, N, D, H] of 4 gates
@group(0) @binding(1) var<storage, read_write> gates: array<Vector>;
