// reduce: partial sums, added in their order, become a tensor of the flat gradients.
//   partial [P, ...]  ->  flat [G * H, K]

struct Dims {
    // Numbers that are written, and those of a row; the length of the tensor's rows, and H.
    len: u32,
    columns: u32,
    width: u32,
    units: u32,
    // The place of the first number in flat.
    start: u32,
    // The place of the first number in partial, partial sums, and numbers from one to the next.
    offset: u32,
    count: u32,
    stride: u32,
    // Numbers from one unit to the next, and from one gate to the next.
    unit_stride: u32,
    gate_stride: u32,
    // The place of each gate among those of a unit, in four bits each.
    gates: u32,
    // Rows of the tensor before the first.
    first_row: u32,
    // 1 if the sums are added to the tensor.
    adds: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> partial: array<f32>;
@group(0) @binding(2) var<storage, read_write> flat: array<f32>;

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
    let row = dims.first_row + i / dims.columns;
    let column = i % dims.columns;
    let gate = (dims.gates >> (4u * (row / dims.units))) & 15u;
    let into = dims.start + i / dims.columns * dims.width + column;
    var at = dims.offset + row % dims.units * dims.unit_stride + gate * dims.gate_stride + column;
    var sum = 0.0;
    if dims.adds == 1u {
        sum = flat[into];
    }
    for (var p = 0u; p < dims.count; p += 1u) {
        sum += partial[at];
        at += dims.stride;
    }
    flat[into] = sum;
}
