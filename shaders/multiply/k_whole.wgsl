// A workgroup has all of K.
fn first_k() -> u32 {
    return 0u;
}

fn own_depth() -> u32 {
    return depth();
}

fn left_of_k(k: u32) -> u32 {
    return depth() - k;
}
