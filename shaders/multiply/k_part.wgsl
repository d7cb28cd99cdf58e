// A workgroup has a part of K. All parts have the same number of whole pieces, of which the last ones may lie
// past the end. So the turns of a loop with barriers follow from uniform sizes alone, as WGSL demands.
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
