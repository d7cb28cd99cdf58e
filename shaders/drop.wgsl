// drop: dropout of a layer's output, or of the gradient by it. Nothing is kept: a mask is drawn again from a
// generator that counts (Philox4x32-10, Salmon et al. 2011), with the same numbers on every engine.
//   into [T, N, C]  ->  into [T, N, C]

struct Dims {
    // Vectors of four: all, those of a row, and from one row to the next; the place of the first one.
    len: u32,
    depth: u32,
    stride: u32,
    offset: u32,
    // N, and rows of time and batch before the first.
    batch: u32,
    first_row: u32,
    layer: u32,
    // The first column among those of all directions.
    first_column: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
// The key, 64 bits; the number of the call; the least word that is kept; the scale, an f32; and bits: one
// mask for all steps, and nothing is kept.
@group(0) @binding(1) var<storage, read> dropout: array<u32>;
@group(0) @binding(2) var<storage, read_write> into: array<Vector>;

// The low and the high word of a product.
fn product(a: u32, b: u32) -> vec2<u32> {
    let low = (a & 0xffffu) * (b & 0xffffu);
    let middle = (a >> 16u) * (b & 0xffffu) + (low >> 16u);
    let other = (a & 0xffffu) * (b >> 16u) + (middle & 0xffffu);
    return vec2(a * b, (a >> 16u) * (b >> 16u) + (middle >> 16u) + (other >> 16u));
}

fn philox(start: vec4<u32>) -> vec4<u32> {
    var counter = start;
    var key = vec2(dropout[0], dropout[1]);
    for (var round = 0u; round < 10u; round += 1u) {
        let a = product(0xd2511f53u, counter.x);
        let b = product(0xcd9e8d57u, counter.z);
        counter = vec4(b.y ^ counter.y ^ key.x, b.x, a.y ^ counter.w ^ key.y, a.x);
        key += vec2(0x9e3779b9u, 0xbb67ae85u);
    }
    return counter;
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let i = tile_of(group, groups) * WORKGROUP + lane;
    if i >= dims.len {
        return;
    }
    let own_row = i / dims.depth;
    var row = dims.first_row + own_row;
    if (dropout[5] & 1u) != 0u {
        row %= dims.batch;
    }
    let column = dims.first_column + 4u * (i % dims.depth);
    let first = philox(vec4(dropout[2], dims.layer, row, column / 4u));
    var words = first;
    // Directions side by side may begin within four columns.
    let skipped = column % 4u;
    if skipped != 0u {
        let second = philox(vec4(dropout[2], dims.layer, row, column / 4u + 1u));
        for (var k = 0u; k < 4u; k += 1u) {
            let place = k + skipped;
            words[k] = select(first[place % 4u], second[place % 4u], place >= 4u);
        }
    }
    let keeps = (words >= vec4(dropout[3])) & vec4((dropout[5] & 2u) == 0u);
    let at = dims.offset + own_row * dims.stride + i % dims.depth;
    // Selected, so that a NaN is dropped too.
    into[at] = Vector(select(vec4<f32>(), vec4<f32>(into[at]) * bitcast<f32>(dropout[4]), keeps));
}
