// norm_of_all: the norm of all gradients, and the factor that clips it.
//   sums [B] of squares  ->  report (..., norm, factor)

struct Dims {
    count: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> sums: array<f32>;
@group(0) @binding(2) var<storage, read> numbers: Numbers;
@group(0) @binding(3) var<storage, read_write> report: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < dims.count; i += LANES) {
        sum += sums[i];
    }
    let all = total(lane, vec4(sum, 0.0, 0.0, 0.0));
    if lane == 0u {
        let norm = sqrt(all.x) * numbers.scale;
        var factor = numbers.scale;
        if (numbers.flags & CLIPS_NORM) != 0u {
            factor *= min(1.0, numbers.max_norm / (norm + 1e-6));
        }
        report[2] = norm;
        report[3] = factor;
    }
}
