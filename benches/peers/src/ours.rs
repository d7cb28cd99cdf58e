//! wgpu-rnn.

use crate::case::Case;
use crate::peer::{Failure, Prepared, timed};
use ndarray::Array3;
use std::time::Duration;
use wgpu_rnn::{Engine, Rnn};

struct Ours {
    rnn: Rnn,
    input: Array3<f32>,
}

/// One engine for all cases, as a program has it.
pub fn prepare(engine: &Engine, case: &Case) -> Box<dyn Prepared> {
    Box::new(Ours { rnn: Rnn::new(engine, case.weights.clone()), input: case.input.clone() })
}

impl Prepared for Ours {
    fn run(&mut self) -> Result<(Array3<f32>, Duration), Failure> {
        timed(|| Ok(self.rnn.forward(&self.input, None)?.output))
    }
}
