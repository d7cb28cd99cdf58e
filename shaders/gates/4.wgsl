// Four gates of a unit, or four columns of the input product: one vector.
alias Gates = vec4<f32>;
alias Packed = vec4<f32>;

fn unpack_input(i: u32) -> Gates {
    return input[i];
}
fn unpack_weight(i: u32) -> Gates {
    return weight[i];
}
fn unpack_bias(i: u32) -> Gates {
    return bias[i];
}
