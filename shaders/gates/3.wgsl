// The width of a product of three gates.
alias Gates = vec3<f32>;
// Three gates by four k.
alias Weights = mat3x4<f32>;
alias StoredWeights = mat3x4<Number>;
// Single numbers, since an array of vec3 pads each to four.
alias StoredParameters = f32;
alias StoredInputGates = Number;

// For each k the weights of all gates.
fn by_k(b: Weights) -> mat4x3<f32> {
    return transpose(b);
}

fn read_input_gates(i: u32) -> Gates {
    let at = INPUT_GATES * i + INPUT_FIRST;
    return vec3(f32(input_gates[at]), f32(input_gates[at + 1u]), f32(input_gates[at + 2u]));
}

fn read_parameters(i: u32) -> Gates {
    return vec3(parameters[3u * i], parameters[3u * i + 1u], parameters[3u * i + 2u]);
}
