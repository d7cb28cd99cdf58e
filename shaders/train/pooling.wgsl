// Text that both kernels of pooling share.

// The maximum, and not the mean.
override IS_MAXIMUM: bool = false;

struct Dims {
    // T, N, and numbers of a row.
    steps: u32,
    batch: u32,
    width: u32,
}

@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> features: array<f32>;
@group(0) @binding(2) var<storage, read> lengths: array<u32>;

// A NaN is higher than any number.
fn exceeds(x: f32, y: f32) -> bool {
    return x > y || (is_nan(x) && !is_nan(y));
}
