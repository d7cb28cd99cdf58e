// The input's gates and the parameters of a product of one gate.
alias StoredParameters = f32;
alias StoredInputGates = Number;

fn read_input_gates(i: u32) -> Gates {
    return f32(input_gates[INPUT_ROW * i + INPUT_FIRST]);
}

fn read_parameters(i: u32) -> Gates {
    return parameters[i];
}
