// A cell of one gate.
alias Gates = f32;
// Of one gate for four k.
alias Weights = vec4<f32>;
alias StoredWeights = Vector;
alias Packed = f32;
alias PackedInput = Number;

fn fold(sum: Gates, x: vec4<f32>, w: Weights) -> Gates {
    return sum + dot(x, w);
}

fn unpack_input(i: u32) -> Gates {
    return f32(input[INPUT_GATES * i + INPUT_FIRST]);
}

fn unpack_parameters(i: u32) -> Gates {
    return parameters[i];
}
