// total: the sums of rows, in an order of their own: each lane adds every 64th row, then the lanes are added in
// pairs.
//   rows [R] of (loss, right)  ->  report (loss, right, ...)

struct Dims {
    rows: u32,
    // 1 if the sums are added to those of earlier batches.
    adds: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> rows: array<vec2<f32>>;
@group(0) @binding(2) var<storage, read_write> report: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec2(0.0);
    for (var row = lane; row < dims.rows; row += LANES) {
        sum += rows[row];
    }
    let all = total(lane, vec4(sum, 0.0, 0.0));
    if lane == 0u {
        report[0] = select(0.0, report[0], dims.adds == 1u) + all.x;
        report[1] = select(0.0, report[1], dims.adds == 1u) + all.y;
    }
}
