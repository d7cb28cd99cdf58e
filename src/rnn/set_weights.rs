//! Other weights for a network that is there.

use super::{Drawn, OnEngine, Rnn, Shared};
use crate::{Config, Error, Result, Weights};
use std::sync::{Arc, OnceLock};

/// # Changing weights
impl Rnn {
    /// Gives the network other weights, as a training loop does after each step: packed weights, buffers and
    /// pipelines are used again, and from the second time on nothing new is made. A clone, and the same network
    /// of another dtype, keep the weights that they had; while there is a clone, new weights have new buffers.
    ///
    /// Encoders that calls were recorded into are to be submitted before.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use wgpu_rnn::{Call, Config, Engine, Init, OutputGradients, Rnn, Weights};
    ///
    /// # fn main() -> wgpu_rnn::Result<()> {
    /// let mut weights = Weights::init(&Config::gru(13).input_size(7), &Init::pytorch())?;
    /// let mut rnn = Rnn::new(&Engine::cpu(), weights.clone());
    /// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
    /// for _ in 0..3 {
    ///     let (answer, mut saved) = rnn.forward_saved(&Call::new(&input))?;
    ///     // The loss is half the sum of the output's squares; a step of gradient descent of size 0.01.
    ///     let given = OutputGradients::new().output(&answer.output);
    ///     let gradients = rnn.backward(&mut saved, &given)?;
    ///     weights.add_scaled(&gradients.weights, -0.01)?;
    ///     rnn.set_weights(weights.clone())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Argument`] for weights of another configuration; the network then keeps its weights.
    pub fn set_weights(&mut self, weights: Weights) -> Result<()> {
        let own = Config { input_size: weights.config().input_size, ..self.config().clone() };
        if *weights.config() != own || ![0, own.input_size].contains(&self.config().input_size) {
            let (name, expected) = ("weights", "weights of the network's configuration");
            return Err(Error::Argument {
                name,
                expected: expected.into(),
                found: "those of another".into(),
            });
        }
        let (config, network) = (weights.config().clone(), weights.network().clone());
        let drawn = Arc::new(Drawn { weights: OnceLock::from(Arc::new(weights)), ..Drawn::default() });
        let identity = self.shared.identity.with_other_weights();
        match Arc::get_mut(&mut self.shared) {
            Some(shared) => {
                (shared.drawn, shared.identity) = (drawn, identity);
                match &mut shared.on_engine {
                    OnEngine::Gpu(gpu) => gpu.weights_changed(),
                    OnEngine::Cpu(cpu) => cpu.weights_changed(),
                    OnEngine::Reference => {}
                }
            }
            None => {
                let made = Rnn::with(self.engine(), config, network, drawn);
                let shared = Arc::into_inner(made.shared).expect("nothing else has it yet");
                self.shared = Arc::new(Shared { identity, ..shared });
            }
        }
        Ok(())
    }

    /// A network of its own, whose weights are held on the device for changes there.
    pub(crate) fn apart(&self) -> Result<Rnn> {
        let weights = self.known_weights()?;
        let mut apart = Rnn { setup: self.setup, ..Rnn::new(self.engine(), weights.clone()) };
        apart.set_weights(weights.clone())?;
        Ok(apart)
    }

    /// Sets weights that the device has already.
    pub(crate) fn replace_weights(&mut self, weights: Weights) {
        let drawn = Arc::new(Drawn { weights: OnceLock::from(Arc::new(weights)), ..Drawn::default() });
        // A network that is apart is shared with nobody.
        if let Some(shared) = Arc::get_mut(&mut self.shared) {
            (shared.drawn, shared.identity) = (drawn, shared.identity.with_other_weights());
        }
    }
}
