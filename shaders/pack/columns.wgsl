// columns: rows become columns of [G * H / group / BLOCK, K', BLOCK, group] of vectors, by unit, gate.
// Vectors are of four numbers for a matrix, of one number for a bias, whose K is 1.

struct Place {
    block: u32,
    offset: u32,
}

fn place_of(unit: u32, gate: u32) -> Place {
    let column = unit * dims.gates + gate;
    let group = column / dims.group;
    return Place(block_at(group, dims.depth), dims.offset + column - group * dims.group);
}

// Padding is written too.
fn source_len() -> u32 {
    return dims.source_depth << dims.vector_bits;
}

// The place of a source's number; the source begins with a vector of K.
fn at_of(place: Place, first: u32, i: u32) -> u32 {
    let vector = (place.block + (first + (i >> dims.vector_bits)) * BLOCK) * dims.stride + place.offset;
    return (vector << dims.vector_bits) + (i & ((1u << dims.vector_bits) - 1u));
}
