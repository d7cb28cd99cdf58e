// A step of a call that is not saved.
const SAVES: bool = false;

fn save(at: u32, from_at: u32) {}
