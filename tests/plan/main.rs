//! Plans: their text, their schedules, and what fits into a device.

mod cost;
mod fits;
mod saved;
mod schedules;
mod texts;
