// Two gates.
alias Gates = vec2<f32>;
// Of two gates for four k.
alias Weights = mat2x4<f32>;
alias StoredWeights = mat2x4<Number>;
alias Packed = f32;
alias PackedInput = Number;

fn fold(sum: Gates, x: vec4<f32>, w: Weights) -> Gates {
    return sum + x * w;
}

fn unpack_input(i: u32) -> Gates {
    let at = INPUT_GATES * i + INPUT_FIRST;
    return vec2(f32(input[at]), f32(input[at + 1u]));
}

fn unpack_parameters(i: u32) -> Gates {
    return vec2(parameters[2u * i], parameters[2u * i + 1u]);
}
