// The hidden state of a single time step: read from a, written to a_next. The last of several phases may
// write the buffer that the first one read.

// The place where a row of a begins. A row past the last reads the last row, and its sum is thrown away.
fn a_at(row: u32) -> u32 {
    return (direction * dims.batch + min(row, dims.batch - 1u)) * dims.depth;
}

fn read_a(at: u32) -> vec4<f32> {
    return vec4<f32>(a[at]);
}

fn next_at(row: u32, unit: u32) -> u32 {
    return (direction * dims.batch + row) * dims.stride + unit;
}

fn next_h(row: u32, unit: u32) -> f32 {
    return f32(a_next[next_at(row, unit)]);
}

fn set_next_h(row: u32, unit: u32, h: f32) {
    a_next[next_at(row, unit)] = Number(h);
}
