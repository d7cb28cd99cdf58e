// pack: a tensor of the flat parameters becomes a part of an array that another kernel reads.
//   flat [G, H, K]  ->  packed [G * H / group / BLOCK, K', BLOCK, group] of vectors, by unit, gate
// A row of the tensor is one or several sources side by side, each of which is padded with zeros to whole
// vectors: of four numbers for a matrix, of one for a bias, whose K is 1. One invocation writes one vector,
// as single numbers.

struct Dims {
    // Rows, times the vectors of a packed row.
    len: u32,
    // The place of the first row in flat.
    start: u32,
    // Rows of the tensor before the first one.
    first_row: u32,
    // K, and the length of each source.
    width: u32,
    source: u32,
    // The length of each source, and K', in vectors.
    source_depth: u32,
    depth: u32,
    // Numbers in a vector.
    vector: u32,
    // H, and G.
    units: u32,
    gates: u32,
    // Columns that stand side by side.
    group: u32,
    // Vectors from one group to the next, and vectors of a group before its first one: both are of all tensors
    // that become one array.
    stride: u32,
    offset: u32,
    // 1 if the numbers are added to earlier ones.
    adds: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> flat: array<f32>;
@group(0) @binding(2) var<storage, read_write> packed: array<Number>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = tile_of(group, groups) * WORKGROUP + lane;
    if at >= dims.len {
        return;
    }
    let row = at / dims.depth;
    let k = at % dims.depth;
    let in_source = k % dims.source_depth * dims.vector;
    let first = dims.start + row * dims.width + k / dims.source_depth * dims.source + in_source;
    let row_of_all = dims.first_row + row;
    let column = row_of_all % dims.units * dims.gates + row_of_all / dims.units;
    let place = block_at(column / dims.group, dims.depth) + k * BLOCK;
    let to = (place * dims.stride + dims.offset + column % dims.group) * dims.vector;
    for (var i = 0u; i < dims.vector; i++) {
        var number = 0.0;
        if in_source + i < dims.source {
            number = flat[first + i];
        }
        if dims.adds == 1u {
            number += f32(packed[to + i]);
        }
        packed[to + i] = Number(number);
    }
}
