//! An implementation that computes a case.

use ndarray::Array3;
use std::time::Duration;

pub type Failure = Box<dyn std::error::Error>;

/// A network ready to be called: weights in their place, input to come from the host, output to go to the
/// host.
pub trait Prepared {
    /// The output `[T, N, C]` and the time from the host's input to the host's output.
    fn run(&mut self) -> Result<(Array3<f32>, Duration), Failure>;
}

/// Times a closure that gives an output.
pub fn timed(run: impl FnOnce() -> Result<Array3<f32>, Failure>) -> Result<(Array3<f32>, Duration), Failure> {
    let start = std::time::Instant::now();
    let output = run()?;
    Ok((output, start.elapsed()))
}
