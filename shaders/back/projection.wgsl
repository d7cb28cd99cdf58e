// The projection: the gradient by its result is the one by h.
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(3) var<storage, read> lengths: array<u32>;
@group(0) @binding(4) var<storage, read_write> carry: array<f32>;
// By the output of every step
@group(0) @binding(5) var<storage, read> gradient: array<f32>;
// By the projection's result of every step
@group(0) @binding(6) var<storage, read_write> a_next: array<f32>;

fn pass_on(place: Place, sum: f32) {
    carry[carry_h_at(place)] += sum;
    a_next[m_at(place)] = 0.0;
}

fn step_back(place: Place, sum: f32) {
    var dh = sum + carry[carry_h_at(place)];
    if HAS_GRADIENT {
        dh += GRADIENT_SCALE * gradient[gradient_at(place)];
    }
    carry[carry_h_at(place)] = 0.0;
    a_next[m_at(place)] = dh;
}
