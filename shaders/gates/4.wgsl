// A cell of four gates, or four columns of the input product.
alias Gates = vec4<f32>;
// Of four gates for four k.
alias Weights = mat4x4<f32>;
alias StoredWeights = mat4x4<Number>;
alias Packed = vec4<f32>;
alias PackedInput = Vector;

fn fold(sum: Gates, x: vec4<f32>, w: Weights) -> Gates {
    return sum + x * w;
}

fn unpack_input(i: u32) -> Gates {
    return vec4<f32>(input[i]);
}

fn unpack_parameters(i: u32) -> Gates {
    return parameters[i];
}
