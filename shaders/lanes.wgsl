// Sums over the units of a batch row, which the invocations of a workgroup share: each has every 64th unit.

const LANES: u32 = 64u;
// Added to a variance (PyTorch's LayerNorm).
const EPSILON: f32 = 1e-5;

var<workgroup> partial: array<vec4<f32>, LANES>;

// The sums over all lanes, for all lanes.
fn total(lane: u32, value: vec4<f32>) -> vec4<f32> {
    partial[lane] = value;
    workgroupBarrier();
    for (var distance = LANES / 2u; distance > 0u; distance /= 2u) {
        if lane < distance {
            partial[lane] += partial[lane + distance];
        }
        workgroupBarrier();
    }
    let sum = partial[0];
    workgroupBarrier();
    return sum;
}

fn sum_of(v: vec4<f32>) -> f32 {
    return v.x + v.y + v.z + v.w;
}
