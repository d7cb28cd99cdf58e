//! wgpu-rnn.

use crate::case::Case;
use crate::peer::{Failure, Prepared, timed};
use ndarray::{Array3, Axis, concatenate};
use std::time::Duration;
use wgpu_rnn::{Call, Engine, OutputGradients, Rnn, Streams};

struct Ours {
    rnn: Rnn,
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    /// The gradient by the output, in a case of training. The time then goes up to the gradients on the host,
    /// and the gradient by the input is the output.
    by_output: Option<Array3<f32>>,
}

/// A stream that gets one step per call.
struct OurStream {
    streams: Streams,
    input: Array3<f32>,
}

/// One engine for all cases, as a program has it.
pub fn prepare(engine: &Engine, case: &Case) -> Result<Box<dyn Prepared>, Failure> {
    let (rnn, input) = (Rnn::new(engine, case.weights.clone()), case.input.clone());
    if case.configuration.is_streamed {
        return Ok(Box::new(OurStream { streams: Streams::new(rnn, input.dim().1)?, input }));
    }
    let (lengths, by_output) = (case.lengths.clone(), case.by_output.clone());
    Ok(Box::new(Ours { rnn, input, lengths, by_output }))
}

impl Prepared for Ours {
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
        timed(count, || {
            let call = Call::new(&self.input);
            let call = self.lengths.iter().fold(call, |call, lengths| call.lengths(lengths));
            match &self.by_output {
                None => Ok(self.rnn.call(&call)?.output),
                Some(by_output) => {
                    let (_, mut saved) = self.rnn.forward_saved(&call)?;
                    Ok(self.rnn.backward(&mut saved, &OutputGradients::new().output(by_output))?.input)
                }
            }
        })
    }
}

impl Prepared for OurStream {
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
        timed(count, || {
            let stream = self.streams.join()?;
            let mut outputs = Vec::with_capacity(self.input.dim().0);
            for step in self.input.axis_chunks_iter(Axis(0), 1) {
                let step = step.index_axis_move(Axis(1), 0);
                outputs.extend(self.streams.call(&[(stream, step)])?);
            }
            self.streams.leave(stream)?;
            let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
            Ok(concatenate(Axis(0), &views)?.insert_axis(Axis(1)))
        })
    }
}
