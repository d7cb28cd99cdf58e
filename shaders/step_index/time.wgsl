// Steps that this dispatch has done, and its order of time: both only of a dispatch with many steps.
var<private> taken: u32 = 0u;
override REVERSE: bool = false;

fn time_step() -> u32 {
    let is_reverse = direction == 1u;
    let first = first_time_step(is_reverse);
    return select(first + taken, first - taken, REVERSE || is_reverse);
}
