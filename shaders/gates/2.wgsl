// The width of a product of two gates.
alias Gates = vec2<f32>;
// Two gates by four k.
alias Weights = mat2x4<f32>;
alias StoredWeights = mat2x4<Number>;
alias StoredParameters = f32;
alias StoredInputGates = Number;

// For each k the weights of all gates.
fn by_k(b: Weights) -> mat4x2<f32> {
    return transpose(b);
}

fn read_input_gates(i: u32) -> Gates {
    let at = INPUT_GATES * i + INPUT_FIRST;
    return vec2(f32(input_gates[at]), f32(input_gates[at + 1u]));
}

fn read_parameters(i: u32) -> Gates {
    return vec2(parameters[2u * i], parameters[2u * i + 1u]);
}
