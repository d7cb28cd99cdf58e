// The width of a product of one gate.
alias Gates = f32;
// One gate by four k.
alias Weights = vec4<f32>;
alias StoredWeights = Vector;
alias StoredParameters = f32;
alias StoredInputGates = Number;

// For each k the weight of the gate.
fn by_k(b: Weights) -> vec4<f32> {
    return b;
}

fn read_input_gates(i: u32) -> Gates {
    return f32(input_gates[INPUT_GATES * i + INPUT_FIRST]);
}

fn read_parameters(i: u32) -> Gates {
    return parameters[i];
}
