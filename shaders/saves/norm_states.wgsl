// A step of a saved call that keeps states alone.
const SAVES: bool = true;

fn save(at: u32, from_at: u32) {}
