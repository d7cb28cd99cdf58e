// Vanilla RNN: da = dh F'(a)
// Gates are single numbers, since an invocation writes one of a vector: four of them are read as a vector.
// [S + 1, N, D, H]
@group(0) @binding(1) var<storage, read_write> gates: array<Number>;
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> carry: array<f32>;
@group(0) @binding(5) var<storage, read> gradient: array<f32>;

fn read_a(at: u32) -> vec4<f32> {
    let first = 4u * at;
    return vec4(f32(gates[first]), f32(gates[first + 1u]), f32(gates[first + 2u]), f32(gates[first + 3u]));
}

fn pass_on(place: Place, sum: f32) {
    carry[carry_h_at(place)] += sum;
    gates[4u * gates_at(place.sequence_row) + place.unit] = Number();
}

fn step_back(place: Place, sum: f32) {
    var dh = sum + carry[carry_h_at(place)];
    if HAS_GRADIENT {
        dh += GRADIENT_SCALE * gradient[gradient_at(place)];
    }
    let at = 4u * gates_at(place.sequence_row) + place.unit;
    let x = f32(gates[at]);
    carry[carry_h_at(place)] = 0.0;
    gates[at] = Number(through_gate(x, gate_activation(x), dh));
}
