// Multiplies and adds in registers: two vectors of four, so that each can start before the last has ended and few registers are taken,
// and a loop whose turns cost little beside what is in them. The host writes lines with {r} several times.

// Of ROWS lines of 2 vectors of 4 multiply-adds.
override TURNS: u32;

@group(0) @binding(1) var<storage, read_write> data: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let factor = data[id.x];
    var a = factor;
    var b = -factor;
    for (var turn = 0u; turn < TURNS; turn += 1u) {
        a = a * factor + factor; b = b * factor + factor; // {r}
    }
    // Small enough to be multiplied with again.
    data[id.x] = clamp(a - b, vec4(-0.5), vec4(0.5));
}
