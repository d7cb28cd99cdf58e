// The width of a product of two gates.
alias Gates = vec2<f32>;
// Two gates by four k.
alias Weights = mat2x4<f32>;
alias StoredWeights = mat2x4<Number>;

// For each k the weights of all gates.
fn by_k(b: Weights) -> mat4x2<f32> {
    return transpose(b);
}
