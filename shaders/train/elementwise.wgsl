// elementwise: a loss that is a sum over the numbers of each row, and the gradient by the row's predictions in
// their place.
//   predictions [R, C], targets [R] of flags and [R, C] of numbers  ->  predictions [R, C], rows [R] of (loss, right)
// A row whose flag is 0 has no part in the loss.

// 0 binary cross-entropy of logits, 1 squared error, 2 Huber's error.
override KIND: u32 = 0u;

struct Dims {
    rows: u32,
    // C, and numbers from one row to the next.
    columns: u32,
    stride: u32,
    // Huber's delta.
    delta: f32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> predictions: array<f32>;
@group(0) @binding(2) var<storage, read> targets: array<u32>;
// The weights of positive targets.
@group(0) @binding(3) var<storage, read> class_weights: array<f32>;
@group(0) @binding(4) var<storage, read> numbers: Numbers;
@group(0) @binding(5) var<storage, read_write> rows: array<vec2<f32>>;

// log(1 + x) of 0 to 1. Small x would be lost beside 1.
fn log_of_one_plus(x: f32) -> f32 {
    return select(log(1.0 + x), x * (1.0 - 0.5 * x), x < 1e-3);
}

// The loss of one number, and its gradient.
fn loss_of(x: f32, y: f32, column: u32) -> vec2<f32> {
    switch KIND {
        case 0u: {
            let weight = 1.0 + (class_weights[column] - 1.0) * y;
            let soft = log_of_one_plus(exp_of_negative(-abs(x))) + max(-x, 0.0);
            return vec2((1.0 - y) * x + weight * soft, (1.0 - y) - weight * sigmoid(-x));
        }
        case 1u: {
            let d = x - y;
            return vec2(d * d, 2.0 * d);
        }
        default: {
            let d = x - y;
            let is_near = abs(d) <= dims.delta;
            let far = dims.delta * (abs(d) - 0.5 * dims.delta);
            return vec2(select(far, 0.5 * d * d, is_near), select(dims.delta * sign(d), d, is_near));
        }
    }
}

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
    let is_counted = targets[row] != 0u;
    var loss = 0.0;
    var is_right = KIND == 0u && is_counted;
    for (var c = 0u; c < dims.stride; c += 1u) {
        var gradient = 0.0;
        if c < dims.columns && is_counted {
            let x = predictions[start + c];
            let y = bitcast<f32>(targets[dims.rows + row * dims.columns + c]);
            let both = loss_of(x, y, c);
            let is_unknown = is_nan(x) || is_nan(y);
            loss += select(both.x, x + y, is_unknown);
            gradient = select(both.y * numbers.gradient_factor, x + y, is_unknown);
            is_right &= (x > 0.0) == (y > 0.5);
        }
        predictions[start + c] = gradient;
    }
    rows[row] = vec2(loss * numbers.loss_factor, select(0.0, 1.0, is_right));
}
