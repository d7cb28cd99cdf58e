// again: the operand of a GRU's candidate with reset before the recurrent product, of all time steps, on the
// way back of a call that has kept states alone.
//   gates [S, N, D, H] of 4, states [S + 1, N, H]  ->  m = F(a_r) h_{t-1} [S, N, H]

struct Dims {
    // S * N, and H.
    rows: u32,
    units: u32,
    // Row length of gates, and the place in a row where this direction begins: in vectors of four.
    gates_stride: u32,
    gates_offset: u32,
    // The place where the states begin, row length of states and of m, and the place where m begins.
    states_offset: u32,
    stride: u32,
    m_offset: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> gates: array<Vector>;
@group(0) @binding(2) var<storage, read> states: array<Number>;
@group(0) @binding(3) var<storage, read_write> m: array<Number>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = tile_of(group, groups) * WORKGROUP + lane;
    if i >= dims.rows * dims.units {
        return;
    }
    let row = i / dims.units;
    let unit = i % dims.units;
    let a_r = f32(gates[row * dims.gates_stride + dims.gates_offset + unit].x);
    let h_before = f32(states[dims.states_offset + row * dims.stride + unit]);
    m[dims.m_offset + row * dims.stride + unit] = Number(gate_activation(a_r) * h_before);
}
