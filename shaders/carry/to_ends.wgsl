// A row past the end of its sequence is zeros.
// [N]
@group(0) @binding(3) var<storage, read> lengths: array<u32>;

fn is_past(step: u32, place: u32) -> bool {
    return dims.first_step + step >= lengths[dims.first_place + place];
}
