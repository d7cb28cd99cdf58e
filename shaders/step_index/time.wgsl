// Steps that this dispatch has done, and its order of time: both only of a dispatch with many steps.
var<private> taken: u32 = 0u;
override REVERSE: bool = false;
// The way back through time.
override BACK: bool = false;

fn is_reverse() -> bool {
    return REVERSE || direction == 1u;
}

fn time_step() -> u32 {
    let first = first_time_step(direction == 1u);
    return select(first + taken, first - taken, is_reverse() != BACK);
}
