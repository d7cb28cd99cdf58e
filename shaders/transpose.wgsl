// transpose: a matrix of the flat parameters becomes a part of a transposed weight, as the products of the
// way back read it.
//   flat [G * H, K]  ->  packed [K' / group / BLOCK, D * H * G / 4, BLOCK, group] of vectors
// K becomes the columns, each source of a row padded to whole vectors, and gates of units become k.

struct Dims {
    // Numbers of the matrix, the length of its rows, and H.
    len: u32,
    width: u32,
    units: u32,
    // The place of the first number in flat, and rows of the matrix before it.
    start: u32,
    first_row: u32,
    // Numbers of k per unit, and the place of each gate among them, in four bits each.
    unit_stride: u32,
    gates: u32,
    // The first k, and K of the packed weight in vectors.
    first_k: u32,
    depth: u32,
    // The length of each source of a row, and its length in whole vectors.
    source: u32,
    source_stride: u32,
    // Columns that stand side by side.
    group: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> flat: array<f32>;
// Single numbers, since neighbours in a vector are written by several invocations.
@group(0) @binding(2) var<storage, read_write> packed: array<Number>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = tile_of(group, groups) * WORKGROUP + lane;
    if i >= dims.len {
        return;
    }
    let row = dims.first_row + i / dims.width;
    let place = i % dims.width;
    let column = place / dims.source * dims.source_stride + place % dims.source;
    let gate = (dims.gates >> (4u * (row / dims.units))) & 15u;
    let k = dims.first_k + row % dims.units * dims.unit_stride + gate;
    let block = block_at(column / dims.group, dims.depth) + k / 4u * BLOCK;
    packed[(block * dims.group + column % dims.group) * 4u + k % 4u] = Number(flat[dims.start + i]);
}
