// The width of a product of four gates, or of four columns of the gemm.
alias Gates = vec4<f32>;
// Four gates by four k.
alias Weights = mat4x4<f32>;
alias StoredWeights = mat4x4<Number>;

// For each k the weights of all gates.
fn by_k(b: Weights) -> mat4x4<f32> {
    return transpose(b);
}
