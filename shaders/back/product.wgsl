// The projection of a layer-normalised LSTM: its product is the gradient by m.
@group(0) @binding(1) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(2) var<storage, read> a: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
// Only after all steps, which this phase is no part of
@group(0) @binding(4) var<storage, read_write> carry: array<f32>;
// By m of every step
@group(0) @binding(5) var<storage, read_write> a_next: array<f32>;

fn pass_on(place: Place, sum: f32) {
    a_next[m_at(place)] = 0.0;
}

fn step_back(place: Place, sum: f32) {
    a_next[m_at(place)] = sum;
}
