// Nothing, with a buffer that is bound to be written: what is left is the dispatch and the barrier before it.

@group(0) @binding(1) var<storage, read_write> data: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main() {
}
