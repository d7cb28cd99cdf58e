// The first phase of a GRU with reset before the recurrent product, on the way back the second one. The
// product is dm, the gradient by m = r h_{t-1}:
// da_r = dm h_{t-1} F'(a_r), and dm r goes to h_{t-1}
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(3) var<storage, read> a: array<Vector>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
// h [S + 1, N, H]
@group(0) @binding(5) var<storage, read> states: array<Number>;
@group(0) @binding(6) var<storage, read_write> carry: array<f32>;

fn pass_on(place: Place, sum: f32) {}

fn step_back(place: Place, sum: f32) {
    let at = gates_at(place.sequence_row) + place.unit;
    let saved = vec4<f32>(gates[at]);
    let r = gate_activation(saved.x);
    let da_r = through_gate(saved.x, r, sum * f32(states[state_before(place)]));
    carry[carry_h_at(place)] += sum * r;
    gates[at] = Vector(vec4(da_r, saved.yzw));
}
