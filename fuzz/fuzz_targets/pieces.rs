//! A file that is read by range is what its bytes in memory are.
#![no_main]

#[path = "../containers.rs"]
mod containers;
#[path = "../mutator.rs"]
mod mutator;
#[path = "../properties.rs"]
mod properties;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| properties::pieces(bytes));
