// pack: some rows of a tensor of the flat parameters become a part of an array that another kernel reads.
//   flat [rows, width]  ->  packed
// A row of the tensor is one or several sources side by side, each of which is padded to whole vectors. Some
// invocations of a workgroup copy a row, each every so many numbers of it, so that they read neighbours, and
// divide no index per number. A number's place is by pack/columns.wgsl or pack/transposed.wgsl.

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
    // The length of each source, and K' of the packed weight, in vectors.
    source_depth: u32,
    depth: u32,
    // The logarithm of the numbers in a vector, to base two.
    vector_bits: u32,
    // The logarithm of a row's invocations in a workgroup, to base two.
    lane_bits: u32,
    // H.
    units: u32,
    // Columns: G. Transposed: the place of each gate among a unit's k, in four bits each.
    gates: u32,
    // Columns that stand side by side. Transposed: a power of two.
    group: u32,
    // Columns: vectors from one group to the next. Transposed: k from one unit to the next.
    stride: u32,
    // Columns: vectors of a group before its first one. Transposed: the first k. Stride and offset are of all
    // tensors that become one array.
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
    let lanes = 1u << dims.lane_bits;
    let row = (tile_of(group, groups) * WORKGROUP + lane) >> dims.lane_bits;
    if row >= dims.rows {
        return;
    }
    let row_of_all = dims.first_row + row;
    let place = place_of(row_of_all % dims.units, row_of_all / dims.units);
    let len = source_len();
    var source_at = dims.start + row * dims.width;
    for (var first = 0u; source_at < dims.start + (row + 1u) * dims.width; first += dims.source_depth) {
        for (var i = group.x * lanes + (lane & (lanes - 1u)); i < len; i += groups.x * lanes) {
            let at = at_of(place, first, i);
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
    }
}
