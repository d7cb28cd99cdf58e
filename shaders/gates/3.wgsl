// A cell of three gates: packed by threes, since an array of vec3 would pad each to four.
alias Gates = vec3<f32>;
alias Packed = f32;

fn unpack_input(i: u32) -> Gates {
    return vec3(input[3u * i], input[3u * i + 1u], input[3u * i + 2u]);
}
fn unpack_weight(i: u32) -> Gates {
    return vec3(weight[3u * i], weight[3u * i + 1u], weight[3u * i + 2u]);
}
fn unpack_bias(i: u32) -> Gates {
    return vec3(bias[3u * i], bias[3u * i + 1u], bias[3u * i + 2u]);
}
