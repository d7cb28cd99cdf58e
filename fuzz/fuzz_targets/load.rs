//! Any bytes are an error or a network, within limits.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgpu_rnn::{Activation, Weights};

fuzz_target!(|bytes: &[u8]| {
    let error = match Weights::reader().from_bytes(bytes) {
        Ok(_) => return,
        Err(error) => error.to_string(),
    };
    assert!(error.len() < 4_000 && !error.contains(char::is_control), "{error:?}");
    // A vanilla RNN, and one of several networks.
    let _ = Weights::reader().activation(Activation::Tanh).from_bytes(bytes);
    let _ = Weights::reader().prefix("lstm".to_owned()).from_bytes(bytes);
});
