// A cell of three gates.
alias Gates = vec3<f32>;
// Of three gates for four k.
alias Weights = mat3x4<f32>;
alias StoredWeights = mat3x4<Number>;
// By ones: an array of vec3 would pad each to four.
alias Packed = f32;
alias PackedInput = Number;

fn fold(sum: Gates, x: vec4<f32>, w: Weights) -> Gates {
    return sum + x * w;
}

fn unpack_input(i: u32) -> Gates {
    return vec3(f32(input[3u * i]), f32(input[3u * i + 1u]), f32(input[3u * i + 2u]));
}

fn unpack_parameters(i: u32) -> Gates {
    return vec3(parameters[3u * i], parameters[3u * i + 1u], parameters[3u * i + 2u]);
}
