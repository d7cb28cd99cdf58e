// An LSTM below its projection: the product is the gradient by m = F(o) H(c_t).
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
// h, c and sums over time: [D, N, U] each
@group(0) @binding(6) var<storage, read_write> carry: array<f32>;
// By the projection's result of every step, and by c
@group(0) @binding(7) var<storage, read> a: array<vec4<f32>>;
// m of every step, for the gradient by the projection's weight
@group(0) @binding(8) var<storage, read_write> m: array<f32>;

fn pass_on(place: Place, sum: f32) {
    gates[gates_at(place.sequence_row) + place.unit] = Vector();
    m[m_at(place)] = 0.0;
}

fn step_back(place: Place, sum: f32) {
    var by_cells = 0.0;
    if HAS_CELLS {
        let at = cells_at(place);
        by_cells = a[at / 4u][at % 4u];
    }
    m[m_at(place)] = update(place, sum, by_cells);
}
