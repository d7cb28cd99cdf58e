// update: one step of an optimiser, number by number. Formulas are PyTorch's (torch.optim), as the host has them
// (`train/optimizer/update.rs`).
//   parameters [W], gradients [W], states [W]  ->  parameters [W], states [W]

// The rule, whose states follow from it: `rule` of the numbers.
override RULE: u32 = 0u;

struct Dims {
    len: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read_write> parameters: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<f32>;
// The states in the order of the host's arrays.
@group(0) @binding(3) var<storage, read_write> first: array<f32>;
@group(0) @binding(4) var<storage, read_write> second: array<f32>;
@group(0) @binding(5) var<storage, read_write> third: array<f32>;
@group(0) @binding(6) var<storage, read> numbers: Numbers;
// Loss, right predictions, the norm of all gradients, and their factor.
@group(0) @binding(7) var<storage, read> report: array<f32>;

fn has(flag: u32) -> bool {
    return (numbers.flags & flag) != 0u;
}

// The gradient: scaled, clipped by value, with the L2 term.
fn gradient(i: u32, p: f32) -> f32 {
    var g = gradients[i] * report[3];
    if has(CLIPS_VALUE) {
        g = clamp(g, -numbers.max_value, numbers.max_value);
    }
    return g + numbers.weight_decay * p;
}

fn mean_of(mean: f32, g: f32) -> f32 {
    return mean + (g - mean) * numbers.first_rate;
}

fn square_of(square: f32, g: f32) -> f32 {
    return square * numbers.second_keep + numbers.second_rate * g * g;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = tile_of(group, groups) * WORKGROUP + lane;
    // Gradients that are not finite change nothing: the host reads their norm.
    let is_finite = (bitcast<u32>(report[2]) & 0x7fffffffu) < 0x7f800000u;
    if i >= dims.len || !is_finite {
        return;
    }
    let p = parameters[i];
    let g = gradient(i, p);
    switch RULE {
        case 0u: {
            var step = g;
            if has(HAS_MOMENTUM) {
                let buffer = first[i] * numbers.momentum + numbers.gradient_rate * g;
                first[i] = buffer;
                step = select(buffer, g + numbers.momentum * buffer, has(IS_NESTEROV));
            }
            parameters[i] = p - numbers.step_size * step;
        }
        case 1u: {
            let mean = mean_of(first[i], g);
            let square = square_of(second[i], g);
            first[i] = mean;
            second[i] = square;
            var most = square;
            if has(IS_AMSGRAD) {
                most = max(third[i], square);
                third[i] = most;
            }
            let root = sqrt(most) / numbers.correction + numbers.epsilon;
            parameters[i] = p * numbers.keep - numbers.step_size * mean / root;
        }
        default: {
            let square = square_of(first[i], g);
            first[i] = square;
            var variance = square;
            if has(IS_CENTERED) {
                var mean = 0.0;
                // The mean is the last array: behind the momentum buffer, where there is one.
                if has(HAS_MOMENTUM) {
                    mean = mean_of(third[i], g);
                    third[i] = mean;
                } else {
                    mean = mean_of(second[i], g);
                    second[i] = mean;
                }
                variance = max(square - mean * mean, 0.0);
            }
            var step = g / (sqrt(variance) + numbers.epsilon);
            if has(HAS_MOMENTUM) {
                step = second[i] * numbers.momentum + step;
                second[i] = step;
            }
            parameters[i] = p - numbers.step_size * step;
        }
    }
}
