//! Calls before the first: what they need is made early.

use super::Rnn;
use crate::gpu::Wait;
use crate::{Call, Error, Layout, Result, memory};
use ndarray::Array3;

impl Rnn {
    /// Computes a call on zeros, of T steps and N sequences, and drops its results: pipelines, packed weights
    /// and buffers are there for the first call of this shape.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use wgpu_rnn::{Config, Engine, Init, Rnn};
    ///
    /// # fn main() -> wgpu_rnn::Result<()> {
    /// let rnn = Rnn::lazy(&Engine::auto(), &Config::lstm(13).input_size(7), Init::pytorch())?;
    /// rnn.warm_up(1, 1)?; // while the program loads
    /// rnn.forward(&Array3::ones((1, 1, 7)), None)?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::InputSizeOpen`] while the input size is open, and the errors of
    /// [`call_async`](Rnn::call_async).
    pub async fn warm_up_async(&self, steps: usize, batch: usize) -> Result<()> {
        self.run_warm_up(steps, batch, Wait::Elsewhere).await
    }

    pub(crate) async fn run_warm_up(&self, steps: usize, batch: usize, wait: Wait) -> Result<()> {
        let config = self.config();
        if config.input_size == 0 {
            return Err(Error::InputSizeOpen);
        }
        let shape = match config.layout {
            Layout::Tnc => [steps, batch, config.input_size],
            Layout::Ntc => [batch, steps, config.input_size],
        };
        memory::check::<f32>(|| "input".into(), &shape)?;
        self.run(&Call::new(&Array3::zeros(shape)), None, wait).await.map(drop)
    }
}
