// transposed: rows become k of [K' / group / BLOCK, D * H * G / 4, BLOCK, group] of vectors, as the products
// of the way back read them: gates of units are k, and K becomes the columns.

struct Place {
    block: u32,
    // The number in a vector.
    number: u32,
}

fn place_of(unit: u32, gate: u32) -> Place {
    let k = dims.offset + unit * dims.stride + ((dims.gates >> (4u * gate)) & 15u);
    return Place(k / 4u * BLOCK, k % 4u);
}

// Padding stays zero.
fn source_len() -> u32 {
    return dims.source;
}

// The place of a source's number; the source begins with a vector of columns.
fn at_of(place: Place, first: u32, i: u32) -> u32 {
    let column = first * 4u + i;
    // 1 or 4 columns stand side by side.
    let group_bits = countTrailingZeros(dims.group);
    let block = block_at(column >> group_bits, dims.depth) + place.block;
    return (((block << group_bits) + (column & (dims.group - 1u))) << 2u) + place.number;
}
