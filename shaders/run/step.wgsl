// The hidden state of a single time step: read from one buffer, written to another (or, by the last of several phases, to the
// same one, which none of them reads and writes at once).

// A row past the last reads the last one, whose sum is then thrown away.
fn row_at(row: u32) -> u32 {
    return (side * dims.batch + min(row, dims.batch - 1u)) * dims.depth;
}

fn left(at: u32) -> vec4<f32> {
    return vec4<f32>(left_side[at]);
}

fn next_at(row: u32, unit: u32) -> u32 {
    return (side * dims.batch + row) * dims.stride + unit;
}

fn next_h(row: u32, unit: u32) -> f32 {
    return f32(next[next_at(row, unit)]);
}

fn set_next_h(row: u32, unit: u32, h: f32) {
    next[next_at(row, unit)] = Number(h);
}
