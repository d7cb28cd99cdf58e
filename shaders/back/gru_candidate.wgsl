// The second phase of a GRU with reset before the recurrent product, on the way back the first one:
// dn = dh (1 - z) G'(a_n), da_z = dh (h_{t-1} - n) F'(a_z), and dh z goes to h_{t-1}
// a_r stays in its place for the other phase. The product is that with the weights of r and z.
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
// h [S + 1, N, H]
@group(0) @binding(4) var<storage, read> states: array<Number>;
@group(0) @binding(5) var<storage, read_write> carry: array<f32>;
@group(0) @binding(6) var<storage, read> gradient: array<f32>;
// dn [N, H], for the product of the other phase
@group(0) @binding(7) var<storage, read_write> a_next: array<Number>;
// r h_{t-1} of every step, for the gradient by the candidate's weight
@group(0) @binding(8) var<storage, read_write> m: array<Number>;

fn next_at(place: Place) -> u32 {
    return place.own_row * dims.m_stride + place.unit;
}

fn pass_on(place: Place, sum: f32) {
    carry[carry_h_at(place)] += sum;
    gates[gates_at(place.sequence_row) + place.unit] = Vector();
    a_next[next_at(place)] = Number();
    m[m_at(place)] = Number();
}

fn step_back(place: Place, sum: f32) {
    var dh = sum + carry[carry_h_at(place)];
    if HAS_GRADIENT {
        dh += GRADIENT_SCALE * gradient[gradient_at(place)];
    }
    let at = gates_at(place.sequence_row) + place.unit;
    let saved = vec4<f32>(gates[at]);
    let h_before = f32(states[state_before(place)]);
    let z = gate_activation(saved.y);
    let n = candidate_activation(saved.z);
    let dn = through_candidate(saved.z, n, dh * (1.0 - z));
    let da_z = through_gate(saved.y, z, dh * (h_before - n));
    carry[carry_h_at(place)] = dh * z;
    gates[at] = Vector(vec4(saved.x, da_z, dn, 0.0));
    a_next[next_at(place)] = Number(dn);
    m[m_at(place)] = Number(gate_activation(saved.x) * h_before);
}
