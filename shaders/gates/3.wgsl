// A cell of three gates.
alias Gates = vec3<f32>;
// Of three gates for four k.
alias Weights = mat3x4<f32>;
// By ones: an array of vec3 would pad each to four.
alias Packed = f32;

fn fold(sum: Gates, x: vec4<f32>, w: Weights) -> Gates {
    return sum + x * w;
}

fn unpack_input(i: u32) -> Gates {
    return vec3(input[3u * i], input[3u * i + 1u], input[3u * i + 2u]);
}

fn unpack_parameters(i: u32) -> Gates {
    return vec3(parameters[3u * i], parameters[3u * i + 1u], parameters[3u * i + 2u]);
}
