//! The parts of the gradients that a backward pass computes.

use crate::network::Network;
use crate::{Error, Result};

/// The gradients that a backward pass computes: all, unless some are left out. Those by initial states are
/// always computed.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Call, Config, Engine, Init, OutputGradients, Rnn, Wanted};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(13).num_layers(2), Init::pytorch())?;
/// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
/// let (answer, mut saved) = rnn.forward_saved(&Call::new(&input))?;
/// let given = OutputGradients::new().output(&answer.output);
/// // The lower layer is frozen, and nothing below the network learns.
/// let wanted = Wanted::all().without_input().frozen(0);
/// let gradients = rnn.backward_of(&mut saved, &given, &wanted)?;
/// assert!(gradients.input.is_empty());
/// assert!(gradients.weights.tensor("weight_hh_l0").unwrap().iter().all(|&number| number == 0.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    without_input: bool,
    frozen: Vec<usize>,
}

impl Wanted {
    /// All.
    pub fn all() -> Wanted {
        Wanted::default()
    }

    /// Without the gradient by the input, whose array then has no numbers.
    #[must_use]
    pub fn without_input(self) -> Wanted {
        Wanted { without_input: true, ..self }
    }

    /// Without the gradients by the weights of a layer, which then are zero.
    #[must_use]
    pub fn frozen(mut self, layer: usize) -> Wanted {
        self.frozen.push(layer);
        self
    }

    pub(crate) fn has_input(&self) -> bool {
        !self.without_input
    }

    pub(crate) fn has_weights(&self, layer: usize) -> bool {
        !self.frozen.contains(&layer)
    }

    /// Refuses a layer that the network does not have.
    pub(crate) fn check(&self, network: &Network) -> Result<()> {
        match self.frozen.iter().find(|&&layer| layer >= network.num_layers) {
            Some(layer) => Err(Error::Argument {
                name: "frozen",
                expected: format!("a layer below {}", network.num_layers),
                found: layer.to_string(),
            }),
            None => Ok(()),
        }
    }
}
