// The width of a product of three gates.
alias Gates = vec3<f32>;
// Three gates by four k.
alias Weights = mat3x4<f32>;
alias StoredWeights = mat3x4<Number>;

// For each k the weights of all gates.
fn by_k(b: Weights) -> mat4x3<f32> {
    return transpose(b);
}
