// GRU, reset after the recurrent product, with a_n = x_n + r q:
// dn = dh (1 - z) G'(a_n), da_z = dh (h_{t-1} - n) F'(a_z)
// dq = dn r, da_r = dn q F'(a_r), and dh z goes to h_{t-1}
// The gradients by the gates of the input are (da_r, da_z, dn), those of the recurrent product (da_r, da_z,
// dq): a row has all four.
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
// h [S + 1, N, H]
@group(0) @binding(4) var<storage, read> states: array<Number>;
@group(0) @binding(5) var<storage, read_write> carry: array<f32>;
@group(0) @binding(6) var<storage, read> gradient: array<f32>;

fn pass_on(place: Place, sum: f32) {
    carry[carry_h_at(place)] += sum;
    gates[gates_at(place.sequence_row) + place.unit] = Vector();
}

fn step_back(place: Place, sum: f32) {
    var dh = sum + carry[carry_h_at(place)];
    if HAS_GRADIENT {
        dh += GRADIENT_SCALE * gradient[gradient_at(place)];
    }
    let at = gates_at(place.sequence_row) + place.unit;
    let saved = vec4<f32>(gates[at]);
    let r = gate_activation(saved.x);
    let z = gate_activation(saved.y);
    let a_n = saved.z + r * saved.w;
    let n = candidate_activation(a_n);
    let dn = through_candidate(a_n, n, dh * (1.0 - z));
    let da_z = through_gate(saved.y, z, dh * (f32(states[state_before(place)]) - n));
    let da_r = through_gate(saved.x, r, dn * saved.w);
    carry[carry_h_at(place)] = dh * z;
    gates[at] = Vector(vec4(da_r, da_z, dn, dn * r));
}
