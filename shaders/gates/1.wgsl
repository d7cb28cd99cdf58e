// A cell of one gate: numbers stand as they are.
alias Gates = f32;
alias Packed = f32;

fn unpack_input(i: u32) -> Gates {
    return input[i];
}
fn unpack_weight(i: u32) -> Gates {
    return weight[i];
}
fn unpack_bias(i: u32) -> Gates {
    return bias[i];
}
