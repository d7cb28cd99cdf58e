// Many time steps in one dispatch. A workgroup has a tile of rows and all units of one direction, and holds
// their hidden state in its own memory: as single numbers, which neighbouring units write, and as vectors,
// which all read. Between dispatches the state lies in a_next; a is not read.

// K of the state in vectors of four, and the rounds in which WORKGROUP invocations cover the units.
override DEPTH: u32 = 1u;
override TURNS: u32 = 1u;
// ROWS * DEPTH, and four times as much; naga 30 takes no expression for a length that the host sets.
override STATE_VECTORS: u32 = 1u;
override STATE_NUMBERS: u32 = 4u;

var<workgroup> hidden: array<Vector, STATE_VECTORS>;
var<workgroup> next_hidden: array<Number, STATE_NUMBERS>;

var<private> first_row: u32;

fn run(local: u32, group: vec3<u32>, groups: vec3<u32>) {
    // A local name beside first_row, and `step` below beside taken: barriers need uniform control flow, and
    // WGSL takes no private variable to be uniform.
    let first = tile_of(group, groups) * ROWS;
    first_row = first;
    if first >= dims.batch {
        return;
    }
    for (var i = local; i < STATE_NUMBERS; i += WORKGROUP) {
        // A row past the last starts from the last row's state, and its results are thrown away.
        let row = min(first_row + i / (DEPTH * 4u), dims.batch - 1u);
        next_hidden[i] = a_next[(direction * dims.batch + row) * dims.stride + i % (DEPTH * 4u)];
    }
    workgroupBarrier();
    keep(column_of(0u, local));
    let steps = time_steps();
    for (var step = 0u; step < steps; step += 1u) {
        taken = step;
        for (var i = local; i < STATE_VECTORS; i += WORKGROUP) {
            let at = 4u * i;
            hidden[i] =
                Vector(next_hidden[at], next_hidden[at + 1u], next_hidden[at + 2u], next_hidden[at + 3u]);
        }
        workgroupBarrier();
        for (var turn = 0u; turn < TURNS; turn += 1u) {
            multiply(first_row, column_of(turn, local));
        }
        workgroupBarrier();
    }
    for (var i = local; i < STATE_NUMBERS; i += WORKGROUP) {
        let row = first_row + i / (DEPTH * 4u);
        if row < dims.batch {
            a_next[(direction * dims.batch + row) * dims.stride + i % (DEPTH * 4u)] = next_hidden[i];
        }
    }
}

fn a_at(row: u32) -> u32 {
    return (row - first_row) * DEPTH;
}

fn read_a(at: u32) -> vec4<f32> {
    return vec4<f32>(hidden[at]);
}

fn next_at(row: u32, unit: u32) -> u32 {
    return (row - first_row) * DEPTH * 4u + unit;
}

fn next_h(row: u32, unit: u32) -> f32 {
    return f32(next_hidden[next_at(row, unit)]);
}

fn set_next_h(row: u32, unit: u32, h: f32) {
    next_hidden[next_at(row, unit)] = Number(h);
}
