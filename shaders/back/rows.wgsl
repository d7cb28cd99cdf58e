// a has rows of its own: gradients by the result of a product.

// Rows of every time step, and not of this one alone.
override A_OVER_TIME: bool = false;

fn a_at(row: u32) -> u32 {
    var own = direction * dims.batch + min(row, dims.batch - 1u);
    if A_OVER_TIME {
        own = time_step() * dims.batch + min(row, dims.batch - 1u);
    }
    return own * dims.a_stride + direction * dims.direction_a;
}

fn read_a(at: u32) -> vec4<f32> {
    return vec4<f32>(a[at]);
}
