// Every row is carried.
fn is_past(step: u32, place: u32) -> bool {
    return false;
}
