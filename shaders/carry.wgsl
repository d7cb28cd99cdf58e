// carry: an array [A, B, C] from one buffer to another, each with its own strides, and zeros behind the
// source's numbers.
//   source  ->  into

struct Dims {
    // A * B.
    rows: u32,
    // B.
    batch: u32,
    // Numbers that are written per row, and numbers per row of the source.
    width: u32,
    used: u32,
    // The places where the arrays begin, and the strides of A and B.
    from_offset: u32,
    from_step: u32,
    from_row: u32,
    to_offset: u32,
    to_step: u32,
    to_row: u32,
    // Time steps, and sequences, before the first.
    first_step: u32,
    first_place: u32,
}

// The numbers are added to those that stand in the array.
override ADDS: bool = false;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> source: array<From>;
@group(0) @binding(2) var<storage, read_write> into: array<To>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let at = tile_of(group, groups) * WORKGROUP + lane;
    if at >= dims.rows * dims.width {
        return;
    }
    let row = at / dims.width;
    let column = at % dims.width;
    let step = row / dims.batch;
    let place = row % dims.batch;
    var number = 0.0;
    if column < dims.used && !is_past(step, place) {
        number = f32(source[dims.from_offset + step * dims.from_step + place * dims.from_row + column]);
    }
    let to = dims.to_offset + step * dims.to_step + place * dims.to_row + column;
    if ADDS {
        number += f32(into[to]);
    }
    into[to] = To(number);
}
