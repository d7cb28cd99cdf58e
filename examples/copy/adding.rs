//! The adding problem (Hochreiter and Schmidhuber 1997), asked at every step.

use ndarray::Array3;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// The numbers of an input's step: a number from 0 to 1, and 1 for a marked number.
pub const FEATURES: usize = 2;

/// The mean squared error of the answer 1, the best one for who has not read the sequence: the variance of a
/// sum of two numbers from 0 to 1.
pub const BLIND_ERROR: f64 = 1.0 / 6.0;

/// Sequences and their answers, time first.
#[derive(Debug, PartialEq)]
pub struct Sequences {
    /// `[T, N, 2]`: one number of each half is marked.
    pub input: Array3<f32>,
    /// `[T, N, 1]`: at every step the sum of both marked numbers.
    pub answers: Array3<f32>,
}

/// The batch of a number, the same one for the same seed. The sequences have at least two steps.
///
/// At a step between the marked numbers one of them lies behind and the other one ahead. So a network needs
/// both directions, and a memory of nearly all steps.
pub fn sequences(seed: u64, number: u64, steps: usize, batch: usize) -> Sequences {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let mut input = Array3::from_shape_simple_fn((steps, batch, FEATURES), || rng.random::<f32>());
    let mut answers = Array3::zeros((steps, batch, 1));
    for n in 0..batch {
        let marked = [rng.random_range(0..steps / 2), rng.random_range(steps / 2..steps)];
        let sum = marked.iter().map(|&t| input[[t, n, 0]]).sum::<f32>();
        for t in 0..steps {
            input[[t, n, 1]] = if marked.contains(&t) { 1.0 } else { 0.0 };
            answers[[t, n, 0]] = sum;
        }
    }
    Sequences { input, answers }
}
