// An empty kernel with a buffer bound for writing: its time is that of the dispatch and of the barrier before
// it.

@group(0) @binding(1) var<storage, read_write> data: array<vec4<f32>>;

@compute @workgroup_size(64)
fn main() {
}
