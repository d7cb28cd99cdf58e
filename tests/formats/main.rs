//! Files of other programs, written by the real ones, and files that are broken.

#[path = "../common/random.rs"]
#[allow(dead_code, reason = "cases are drawn without `proptest`")]
mod random;

#[path = "../../fuzz/containers.rs"]
mod containers;
#[path = "../../fuzz/properties.rs"]
mod properties;

mod arrays;
mod goldens;
mod hostile;
mod keras;
mod memory;
mod mutants;
mod onnx;
mod pick;
mod refused;
mod round_trips;

use std::path::{Path, PathBuf};
use wgpu_rnn::Error;

/// A file of `data/`.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/data").join(name)
}

#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    let error = result.unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert!(error.len() < 1_000 && !error.contains('\n'), "{error}");
}
