// A workgroup has a part of K: whole pieces, as many as every other part, of which the last ones may lie past
// the end. So a barrier's loop counts alike in all workgroups, by sizes that WGSL takes to be uniform.
const PARTS: u32 = {PARTS}u;

fn first_k() -> u32 {
    return part * own_depth();
}

fn own_depth() -> u32 {
    return (depth() + PARTS * PIECE - 1u) / (PARTS * PIECE) * PIECE;
}

fn left_of_k(k: u32) -> u32 {
    return depth() - min(first_k() + k, depth());
}
