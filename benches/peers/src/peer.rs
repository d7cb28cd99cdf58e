//! An implementation that computes a case.

use ndarray::Array3;
use std::time::{Duration, Instant};

pub type Failure = Box<dyn std::error::Error>;

/// A network ready to be called: weights in their place, input to come from the host, output to go to the
/// host.
pub trait Prepared {
    /// Computes the case so many times, at least once, without a pause. The last output `[T, N, C]`, and each
    /// time from the host's input to the host's output; of a streamed case, that of all steps together.
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure>;
}

/// Times a closure that gives an output.
pub fn timed(
    count: usize,
    mut run: impl FnMut() -> Result<Array3<f32>, Failure>,
) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
    let mut times = Vec::with_capacity(count);
    loop {
        let start = Instant::now();
        let output = run()?;
        times.push(start.elapsed());
        if times.len() >= count {
            return Ok((output, times));
        }
    }
}
