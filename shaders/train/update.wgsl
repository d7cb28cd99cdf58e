// update: one step of an optimiser, four numbers at a time. Formulas are PyTorch's (torch.optim), as the host
// has them (`train/optimizer/update.rs`).
//   parameters [W], gradients [W], states [W]  ->  parameters [W], states [W]
// W is padded to whole vectors, with zeros.

// The rule, whose states follow from it: `rule` of the numbers.
override RULE: u32 = 0u;

struct Dims {
    // Vectors.
    len: u32,
}

// Vectors of an invocation, at most: the numbers of a step are read once for all of them.
const TURNS: u32 = 4u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> parameters: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4<f32>>;
// The states in the order of the host's arrays.
@group(0) @binding(3) var<storage, read_write> first: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> second: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> third: array<vec4<f32>>;
@group(0) @binding(6) var<storage, read> numbers: Numbers;
// Loss, right predictions, the norm of all gradients, and their factor.
@group(0) @binding(7) var<storage, read> report: array<f32>;

// The test is of the bits, since a compiler may assume that all numbers are finite.
fn is_finite(x: f32) -> bool {
    return (bitcast<u32>(x) & 0x7fffffffu) < 0x7f800000u;
}

fn mean_of(n: Numbers, mean: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    return mean + (g - mean) * n.first_rate;
}

fn square_of(n: Numbers, square: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    return square * n.second_keep + n.second_rate * g * g;
}

fn sgd(n: Numbers, i: u32, p: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    var step = g;
    if (n.flags & HAS_MOMENTUM) != 0u {
        let buffer = first[i] * n.momentum + n.gradient_rate * g;
        first[i] = buffer;
        step = select(buffer, g + n.momentum * buffer, (n.flags & IS_NESTEROV) != 0u);
    }
    return p - n.step_size * step;
}

fn adam(n: Numbers, i: u32, p: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    let mean = mean_of(n, first[i], g);
    let square = square_of(n, second[i], g);
    first[i] = mean;
    second[i] = square;
    var most = square;
    if (n.flags & IS_AMSGRAD) != 0u {
        most = max(third[i], square);
        third[i] = most;
    }
    let root = sqrt(most) / n.correction + n.epsilon;
    return p * n.keep - n.step_size * mean / root;
}

fn rmsprop(n: Numbers, i: u32, p: vec4<f32>, g: vec4<f32>) -> vec4<f32> {
    let square = square_of(n, first[i], g);
    first[i] = square;
    let has_momentum = (n.flags & HAS_MOMENTUM) != 0u;
    var variance = square;
    if (n.flags & IS_CENTERED) != 0u {
        var mean = vec4(0.0);
        // The mean is the last array: behind the momentum buffer, where there is one.
        if has_momentum {
            mean = mean_of(n, third[i], g);
            third[i] = mean;
        } else {
            mean = mean_of(n, second[i], g);
            second[i] = mean;
        }
        variance = max(square - mean * mean, vec4(0.0));
    }
    var step = g / (sqrt(variance) + n.epsilon);
    if has_momentum {
        step = second[i] * n.momentum + step;
        second[i] = step;
    }
    return p - n.step_size * step;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    // A loss or gradients that are not finite change nothing: the host reads the loss and the norm.
    if !is_finite(report[0]) || !is_finite(report[2]) {
        return;
    }
    let n = numbers;
    let factor = report[3];
    let most = select(bitcast<f32>(0x7f7fffffu), n.max_value, (n.flags & CLIPS_VALUE) != 0u);
    let start = tile_of(group, groups) * TURNS * WORKGROUP + lane;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        let i = start + turn * WORKGROUP;
        if i >= dims.len {
            break;
        }
        let p = parameters[i];
        // Scaled, clipped by value, with the L2 term.
        let g = clamp(gradients[i] * factor, vec4(-most), vec4(most)) + n.weight_decay * p;
        switch RULE {
            case 0u: {
                parameters[i] = sgd(n, i, p, g);
            }
            case 1u: {
                parameters[i] = adam(n, i, p, g);
            }
            default: {
                parameters[i] = rmsprop(n, i, p, g);
            }
        }
    }
}
