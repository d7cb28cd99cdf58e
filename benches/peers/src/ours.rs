//! wgpu-rnn.

use crate::case::Case;
use crate::peer::{Failure, Prepared, timed};
use ndarray::Array3;
use std::time::Duration;
use wgpu_rnn::{Call, Engine, OutputGradients, Rnn};

struct Ours {
    rnn: Rnn,
    input: Array3<f32>,
    /// The gradient by the output, in a case of training. The time then goes up to the gradients on the host,
    /// and the gradient by the input is the output.
    by_output: Option<Array3<f32>>,
}

/// One engine for all cases, as a program has it.
pub fn prepare(engine: &Engine, case: &Case) -> Box<dyn Prepared> {
    let (input, by_output) = (case.input.clone(), case.by_output.clone());
    Box::new(Ours { rnn: Rnn::new(engine, case.weights.clone()), input, by_output })
}

impl Prepared for Ours {
    fn run(&mut self) -> Result<(Array3<f32>, Duration), Failure> {
        timed(|| match &self.by_output {
            None => Ok(self.rnn.forward(&self.input, None)?.output),
            Some(by_output) => {
                let (_, mut saved) = self.rnn.forward_saved(&Call::new(&self.input))?;
                Ok(self.rnn.backward(&mut saved, &OutputGradients::new().output(by_output))?.input)
            }
        })
    }
}
