// An LSTM without a projection.
@group(0) @binding(2) var<storage, read> b: array<StoredWeights>;
@group(0) @binding(4) var<storage, read> lengths: array<u32>;
// h, c and sums over time: [D, N, U] each
@group(0) @binding(6) var<storage, read_write> carry: array<f32>;
// By the output of every step, and by c
@group(0) @binding(7) var<storage, read> gradient: array<f32>;

fn pass_on(place: Place, sum: f32) {
    carry[carry_h_at(place)] += sum;
    gates[gates_at(place.sequence_row) + place.unit] = Vector();
}

fn step_back(place: Place, sum: f32) {
    var dh = sum + carry[carry_h_at(place)];
    var by_cells = 0.0;
    if HAS_GRADIENT {
        dh += GRADIENT_SCALE * gradient[gradient_at(place)];
    }
    if HAS_CELLS {
        by_cells = gradient[cells_at(place)];
    }
    carry[carry_h_at(place)] = 0.0;
    update(place, dh, by_cells);
}
