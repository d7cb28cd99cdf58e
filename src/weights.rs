//! The weights of a network, and the one place that knows the network's tensors.

mod arrays;
mod formats;
mod gradients;
mod infer;
mod init;
mod inspect;
mod metadata;
mod names;
mod output;
mod params;
mod reader;
mod tensor_file;

pub mod mxnet;

pub use arrays::Arrays;
pub use formats::Limits;
pub(crate) use formats::safetensors as format;
pub use gradients::{CallGradients, Gradients};
pub use init::Init;
pub(crate) use init::{Deferred, between};
pub use inspect::{ArrayInfo, Inspection, NetworkInfo, inspect};
pub(crate) use metadata::{entries, settings};
pub use names::Naming;
pub(crate) use names::{TensorKind, TensorName, is_beside};
pub use output::Format;
pub use params::SlotWeights;
pub(crate) use params::{Entry, Params, Table};
pub use reader::Reader;
pub use tensor_file::{Tensors, load_tensors, save_tensors};

use crate::network::Network;
use crate::{Config, Error, Result, State};
use ndarray::{Array3, ArrayViewD, ArrayViewMutD, s};
use num_traits::Zero;
use std::ops::Range;

/// The weights of a network, under PyTorch's names and in its layout, which are Gluon's too.
///
/// Generic over `f32`, for all engines, and `f64`, for the reference alone.
///
/// ```
/// use wgpu_rnn::{Config, Init, Weights};
///
/// let config = Config::gru(13).bidirectional().input_size(7);
/// let weights = Weights::init(&config, &Init::pytorch().seed(1))?;
/// assert_eq!(weights.tensor("weight_ih_l0_reverse").unwrap().shape(), [39, 7]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Weights<T = f32> {
    config: Config,
    network: Network,
    params: Params<T>,
}

impl Weights<f32> {
    /// Draws the weights of a network by an initialiser. The configuration has its input size.
    ///
    /// # Errors
    /// [`Error::InputSizeOpen`] for an input size that is open, which [`Rnn::lazy`](crate::Rnn::lazy) takes
    /// from its first input; [`Error::Setting`] for a configuration that no network can have, or an
    /// initialiser that does not go together with the network; [`Error::Memory`] where memory cannot hold the
    /// weights.
    pub fn init(config: &Config, init: &Init) -> Result<Weights> {
        if config.input_size == 0 {
            return Err(Error::InputSizeOpen);
        }
        Deferred::new(config, init.clone())?.finish(config.input_size)
    }
}

impl Weights {
    /// The bytes of a file with other tensors beside the weights, and an entry `training` in its metadata.
    pub(crate) fn to_safetensors_beside<'a>(
        &'a self,
        others: impl Iterator<Item = (&'static str, ArrayViewD<'a, f32>)>,
        training: &str,
    ) -> Result<Vec<u8>> {
        let mut metadata = entries(&self.config);
        metadata.insert("training", training.to_owned());
        let others = others.map(|(name, tensor)| (name.to_owned(), tensor));
        formats::safetensors::serialize(self.tensors(Naming::PyTorch).chain(others), &metadata)
    }
}

impl<T: Clone + Zero> Weights<T> {
    /// The weights of a checked network, each tensor as `write` writes it.
    fn collect(
        config: Config,
        network: Network,
        mut write: impl FnMut(&Entry, ArrayViewMutD<'_, T>) -> Result<()>,
    ) -> Result<Weights<T>> {
        let Params { table, mut numbers } = Params::zeros(&network)?;
        for entry in &table.entries {
            write(entry, Params::view_mut(&mut numbers, entry))?;
        }
        Ok(Weights { config, network, params: Params { table, numbers } })
    }
}

impl<T> Weights<T> {
    /// The network that these weights belong to.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The same weights for input and output in another layout, which no weight depends on.
    #[must_use]
    pub fn layout(mut self, layout: crate::Layout) -> Self {
        self.config.layout = layout;
        self.network.layout = layout;
        self
    }

    /// The same weights with other settings that no weight depends on: clips, activations, merge, residual
    /// connections.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that exclude each other, or that change the shape of a weight.
    pub fn configure(self, settings: impl FnOnce(Config) -> Config) -> Result<Self> {
        let config = settings(self.config.clone());
        let network = config.check()?;
        if Table::of(&network) == *self.params.table {
            return Ok(Weights { config, network, params: self.params });
        }
        let (expected, found) = ("settings that keep the weights' shapes".into(), "others".into());
        Err(Error::Setting { name: "settings", expected, found })
    }

    /// The weights of slot `layer * D + direction`.
    pub fn slot(&self, slot: usize) -> SlotWeights<'_, T> {
        SlotWeights::new(&self.params, slot)
    }

    /// All slots, in the order of the states.
    pub fn slots(&self) -> impl ExactSizeIterator<Item = SlotWeights<'_, T>> {
        (0..self.network.slots.len()).map(|slot| self.slot(slot))
    }

    /// The network that these weights belong to, spelled out.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// All numbers, in PyTorch's order of the weights; each weight begins at a multiple of 64 numbers, and
    /// the numbers between are zero, as in [`Gradients::as_slice`].
    pub fn as_slice(&self) -> &[T] {
        &self.params.numbers
    }

    /// The same, to write: an optimiser leaves the zeros as they are.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.params.numbers
    }

    /// The flat parameters.
    pub(crate) fn params(&self) -> &Params<T> {
        &self.params
    }

    /// The place of every tensor in the flat parameters and in flat gradients: its name, its numbers and its
    /// shape, in PyTorch's order. A tensor begins at a multiple of 64 numbers.
    pub fn places(&self, naming: Naming) -> impl Iterator<Item = (String, Range<usize>, &[usize])> {
        let entries = self.params.table.entries.iter();
        entries.map(move |entry| (entry.name.format(naming), entry.range(), entry.shape.as_slice()))
    }

    /// Every tensor with its name, in PyTorch's order: layer by layer, forward first, ih, hh, then the
    /// biases.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        self.params.tensors(naming)
    }

    /// One tensor by its name in either scheme.
    pub fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, T>> {
        self.params.by_name(name)
    }

    /// Adds gradients by these weights, each times a factor: a step of gradient descent, with minus the
    /// learning rate.
    ///
    /// # Errors
    /// [`Error::Argument`] for gradients by other weights; nothing is added then.
    pub fn add_scaled(&mut self, gradients: &Gradients<T>, factor: T) -> Result<()>
    where
        T: Copy + std::ops::AddAssign + std::ops::Mul<Output = T>,
    {
        gradients.check_table(&self.params.table)?;
        let pairs = self.params.numbers.iter_mut().zip(gradients.as_slice());
        pairs.for_each(|(number, gradient)| *number += *gradient * factor);
        Ok(())
    }

    /// The same weights in another precision.
    pub fn cast<U: num_traits::NumCast>(&self) -> Weights<U>
    where
        T: Copy + num_traits::ToPrimitive,
    {
        // Float to float always converts, to infinity at worst.
        self.map(|&x| U::from(x).expect("a float converts to a float"))
    }

    /// The same network with other numbers.
    pub(crate) fn map<U>(&self, map: impl FnMut(&T) -> U) -> Weights<U> {
        let (config, network) = (self.config.clone(), self.network.clone());
        Weights { config, network, params: self.params.map(map) }
    }

    /// The initial state of a batch of N where the caller gives no state: the learned state, or zeros.
    pub(crate) fn initial_state(&self, batch: usize) -> Result<State<T>>
    where
        T: Clone + Zero,
    {
        let mut state = self.network.zero_state(batch)?;
        let fill = |array: &mut Array3<T>, kind| {
            for (slot, weights) in self.slots().enumerate() {
                if let Some(learned) = weights.vector(kind) {
                    array.slice_mut(s![slot, .., ..learned.len()]).assign(&learned);
                }
            }
        };
        fill(&mut state.h, TensorKind::InitialH);
        if let Some(c) = &mut state.c {
            fill(c, TensorKind::InitialC);
        }
        Ok(state)
    }
}
