// pack: a tensor of the flat parameters becomes a part of an array that another kernel reads.
//   flat [G, H, K]  ->  packed [G * H / group / BLOCK, K', BLOCK, group] of vectors, by unit, gate
// A row of the tensor is one or several sources side by side, each of which is padded with zeros to whole
// vectors: of four numbers for a matrix, of one number for a bias, whose K is 1. Some invocations of a
// workgroup copy a row, each every so many numbers of it, so that they read neighbours, and divide no index
// per number.

// The numbers are added to earlier ones. A driver may compute both branches of a condition on sizes.
override ADDS: bool = false;

struct Dims {
    rows: u32,
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
    // The logarithm of the numbers in a vector, to base two.
    vector_bits: u32,
    // Invocations per row of a workgroup: a power of two.
    lanes: u32,
    // H, and G.
    units: u32,
    gates: u32,
    // Columns that stand side by side.
    group: u32,
    // Vectors from one group to the next, and vectors of a group before its first one: both are of all
    // tensors that become one array.
    stride: u32,
    offset: u32,
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
    let row = tile_of(group, groups) * (WORKGROUP / dims.lanes) + lane / dims.lanes;
    if row >= dims.rows {
        return;
    }
    let row_of_all = dims.first_row + row;
    let column = row_of_all % dims.units * dims.gates + row_of_all / dims.units;
    let offset = dims.offset + column % dims.group;
    var source_at = dims.start + row * dims.width;
    var block = block_at(column / dims.group, dims.depth);
    for (var k = 0u; k < dims.depth; k += dims.source_depth) {
        var i = group.x * dims.lanes + lane % dims.lanes;
        for (; i < dims.source_depth << dims.vector_bits; i += groups.x * dims.lanes) {
            let vector = (block + (i >> dims.vector_bits) * BLOCK) * dims.stride + offset;
            let at = (vector << dims.vector_bits) + (i & ((1u << dims.vector_bits) - 1u));
            var number = 0.0;
            if i < dims.source {
                number = flat[source_at + i];
            }
            if ADDS {
                number += f32(packed[at]);
            }
            packed[at] = Number(number);
        }
        source_at += dims.source;
        block += dims.source_depth * BLOCK;
    }
}
