// The input's gates and the parameters of a product of four gates, or of four columns of the gemm.
alias StoredParameters = vec4<f32>;
alias StoredInputGates = Vector;

fn read_input_gates(i: u32) -> Gates {
    return vec4<f32>(input_gates[i]);
}

fn read_parameters(i: u32) -> Gates {
    return parameters[i];
}
