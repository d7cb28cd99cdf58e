// squares: the sums of squares of blocks of 4096 numbers, padded with zeros to whole vectors.
//   flat [W]  ->  sums [W / 4096], from a place on

struct Dims {
    // Vectors.
    len: u32,
    // The place of the first sum.
    first: u32,
}

// Vectors of a block.
const BLOCK_LEN: u32 = 1024u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> flat: array<vec4<f32>>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let block = tile_of(group, groups);
    let end = min((block + 1u) * BLOCK_LEN, dims.len);
    var sum = vec4(0.0);
    for (var i = block * BLOCK_LEN + lane; i < end; i += LANES) {
        let x = flat[i];
        sum = fma(x, x, sum);
    }
    let all = total(lane, sum);
    if lane == 0u && block * BLOCK_LEN < dims.len {
        sums[dims.first + block] = (all.x + all.y) + (all.z + all.w);
    }
}
