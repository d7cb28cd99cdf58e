// Steps of this dispatch that are done, and whether it goes through them in reverse: only where a dispatch has many.
var<private> taken: u32 = 0u;
override REVERSE: bool = false;

fn time_step() -> u32 {
    let is_other = side == 1u;
    let first = first_time_step(is_other);
    return select(first + taken, first - taken, REVERSE || is_other);
}
