// The width of a product of one gate.
alias Gates = f32;
// One gate by four k.
alias Weights = vec4<f32>;
alias StoredWeights = Vector;

// For each k the weight of the gate.
fn by_k(b: Weights) -> vec4<f32> {
    return b;
}
