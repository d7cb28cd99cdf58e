//! Any bytes are an error in one line, or a network, within limits.
#![no_main]

#[path = "../containers.rs"]
mod containers;
#[path = "../mutator.rs"]
mod mutator;
#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::load(bytes));
