//! A network is the same after it was written and read again.
#![no_main]

#[path = "../containers.rs"]
mod containers;
#[path = "../mutator.rs"]
mod mutator;
#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::round_trip(bytes));
