// Reads a buffer once, neighbouring invocations neighbouring vectors, and sums it, so that no read can be
// left out.

@group(0) @binding(1) var<storage, read> numbers: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let invocations = arrayLength(&sums);
    var sum = vec4<f32>();
    for (var at = id.x; at < arrayLength(&numbers); at += 4u * invocations) {
        sum += numbers[at];
        sum += numbers[at + invocations];
        sum += numbers[at + 2u * invocations];
        sum += numbers[at + 3u * invocations];
    }
    sums[id.x] = sum;
}
