// cross_entropy: the softmax cross-entropy of each row, and the gradient by the row's predictions in their
// place.   predictions [R, C], targets [R] of classes  ->  predictions [R, C], rows [R] of (loss, right)
// A row of class -1 has no part in the loss.

struct Dims {
    rows: u32,
    // C, and numbers from one row to the next.
    classes: u32,
    stride: u32,
    // The sum of all class weights, over C.
    mean_weight: f32,
    smoothing: f32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> predictions: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<i32>;
@group(0) @binding(3) var<storage, read> class_weights: array<f32>;
@group(0) @binding(4) var<storage, read> numbers: Numbers;
@group(0) @binding(5) var<storage, read_write> rows: array<vec2<f32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let row = tile_of(group, groups) * WORKGROUP + lane;
    if row >= dims.rows {
        return;
    }
    let start = row * dims.stride;
    let known = targets[row];
    let is_counted = known >= 0;
    // The check of the host has found the class to be one of C.
    let label = u32(max(known, 0));
    var highest = predictions[start];
    var best = 0u;
    var has_nan = is_nan(highest);
    for (var c = 1u; c < dims.classes; c += 1u) {
        let x = predictions[start + c];
        has_nan |= is_nan(x);
        if x > highest {
            highest = x;
            best = c;
        }
    }
    var sum = 0.0;
    // The sum over all classes of weight by prediction less the highest.
    var weighted = 0.0;
    for (var c = 0u; c < dims.classes; c += 1u) {
        let x = predictions[start + c] - highest;
        sum += exp_of_negative(x);
        weighted += class_weights[c] * x;
    }
    let log_sum = log(sum);
    let share = (1.0 - dims.smoothing) * class_weights[label];
    let spread = dims.smoothing / f32(dims.classes);
    // The sum of the row's weights.
    let all = share + dims.smoothing * dims.mean_weight;
    var loss = share * (log_sum - (predictions[start + label] - highest));
    if dims.smoothing > 0.0 {
        loss += spread * (dims.mean_weight * f32(dims.classes) * log_sum - weighted);
    }
    let nan = bitcast<f32>(0x7fc00000u + (row & 1u));
    for (var c = 0u; c < dims.stride; c += 1u) {
        var gradient = 0.0;
        if c < dims.classes && is_counted {
            let p = exp_of_negative(predictions[start + c] - highest) / sum;
            gradient = all * p - spread * class_weights[c];
            if c == label {
                gradient -= share;
            }
            gradient = select(gradient * numbers.gradient_factor, nan, has_nan);
        }
        predictions[start + c] = gradient;
    }
    loss = select(loss * numbers.loss_factor, nan, has_nan);
    let is_right = best == label && !has_nan;
    rows[row] = select(vec2(0.0), vec2(loss, select(0.0, 1.0, is_right)), is_counted);
}
