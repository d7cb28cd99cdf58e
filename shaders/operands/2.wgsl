// The input's gates and the parameters of a product of two gates.
alias StoredParameters = f32;
alias StoredInputGates = Number;

fn read_input_gates(i: u32) -> Gates {
    let at = INPUT_ROW * i + INPUT_FIRST;
    return vec2(f32(input_gates[at]), f32(input_gates[at + 1u]));
}

fn read_parameters(i: u32) -> Gates {
    return vec2(parameters[2u * i], parameters[2u * i + 1u]);
}
