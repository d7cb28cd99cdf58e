// squares: the sums of squares of blocks of 4096 numbers.
//   flat [W]  ->  sums [W / 4096], from a place on

struct Dims {
    len: u32,
    // The place of the first sum.
    first: u32,
}

const BLOCK_LEN: u32 = 4096u;

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> flat: array<f32>;
@group(0) @binding(2) var<storage, read_write> sums: array<f32>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let block = tile_of(group, groups);
    let start = block * BLOCK_LEN;
    var sum = vec4(0.0);
    for (var i = lane; i < BLOCK_LEN / 4u; i += LANES) {
        let at = start + 4u * i;
        for (var k = 0u; k < 4u; k += 1u) {
            if at + k < dims.len {
                let x = flat[at + k];
                sum[k] = fma(x, x, sum[k]);
            }
        }
    }
    let all = total(lane, sum);
    if lane == 0u && start < dims.len {
        sums[dims.first + block] = (all.x + all.y) + (all.z + all.w);
    }
}
