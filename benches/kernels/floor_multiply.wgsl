// Multiply-adds in registers, in two vectors of four: few registers, and eight chains that need not wait for
// each other. The host repeats lines with {r}, so that the loop itself costs little.

// A turn has ROWS lines of 2 vectors of 4 multiply-adds.
override TURNS: u32;

@group(0) @binding(1) var<storage, read_write> data: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = data[id.x];
    var a = factor;
    var b = -factor;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        a = fma(a, factor, factor); b = fma(b, factor, factor); // {r}
    }
    // The bound keeps the next run's numbers small.
    data[id.x] = clamp(a - b, vec4(-0.5), vec4(0.5));
}
