// The input's gates and the parameters of a product of three gates.
// Single numbers, since an array of vec3 pads each to four.
alias StoredParameters = f32;
alias StoredInputGates = Number;

fn read_input_gates(i: u32) -> Gates {
    let at = INPUT_ROW * i + INPUT_FIRST;
    return vec3(f32(input_gates[at]), f32(input_gates[at + 1u]), f32(input_gates[at + 2u]));
}

fn read_parameters(i: u32) -> Gates {
    return vec3(parameters[3u * i], parameters[3u * i + 1u], parameters[3u * i + 2u]);
}
