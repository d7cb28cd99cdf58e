//! The numbers of a network, and the one place that knows which tensors it has.

pub(crate) mod formats;
mod infer;
mod init;
mod metadata;
mod names;
mod reader;

pub mod mxnet;

pub(crate) use init::Deferred;
pub use init::Init;
pub use names::Naming;
pub(crate) use names::{TensorKind, TensorName};
pub use reader::Reader;

use crate::{Config, Error, Result, State, file};
use metadata::Metadata;
use ndarray::{Array3, ArrayD, ArrayView1, ArrayView2, ArrayViewD, Ix1, Ix2, s};
use std::collections::BTreeMap;
use std::path::Path;

/// The weights of a network, under PyTorch's names and in its layout, which are Gluon's too.
///
/// Generic over `f32` (what the GPU computes in) and `f64` (what the reference judges it in).
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
    slots: Vec<SlotWeights<T>>,
}

/// The weights of one layer and direction.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotWeights<T = f32> {
    /// Exactly those that the network has, of the shapes that it needs.
    tensors: BTreeMap<TensorKind, ArrayD<T>>,
}

impl Weights<f32> {
    /// Draws the weights of a network whose input size is known.
    pub fn init(config: &Config, init: &Init) -> Result<Weights> {
        if config.input_size == 0 {
            return Err(Error::Setting {
                name: "input_size",
                expected: "at least 1 (a lazy Rnn takes it from its first input)".into(),
                found: "0".into(),
            });
        }
        Deferred::new(config, init.clone())?.finish(config.input_size)
    }

    /// Writes a safetensors file, beside first and then into its place. Its metadata name the cells, and
    /// activations other than their own.
    pub fn save(&self, path: impl AsRef<Path>, naming: Naming) -> Result<()> {
        file::replace(path, &self.to_safetensors(naming)?)
    }

    /// The bytes of the file that [`save`](Weights::save) writes.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        formats::safetensors::serialize(self.tensors(naming), &Metadata::of(&self.config))
    }
}

impl<T> Weights<T> {
    /// Every tensor of a network from `make`, which keeps to the shapes of [`TensorKind::shape`].
    fn collect(config: &Config, mut make: impl FnMut(TensorName) -> Result<ArrayD<T>>) -> Result<Weights<T>> {
        let mut slots = Vec::new();
        for (layer, direction) in slots_of(config) {
            let kinds = TensorKind::of(config, layer);
            let tensors = kinds.map(|kind| Ok((kind, make(TensorName { layer, direction, kind })?)));
            slots.push(SlotWeights { tensors: tensors.collect::<Result<_>>()? });
        }
        Ok(Weights { config: config.clone(), slots })
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
        self
    }

    /// The same weights with other settings, of those that no weight depends on: clips, activations, outputs
    /// and the like.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings go together with each other or with the weights no more.
    pub fn configure(self, settings: impl FnOnce(Config) -> Config) -> Result<Self> {
        let config = settings(self.config.clone());
        config.check()?;
        let shapes = |config: &Config| -> Vec<_> {
            let slots = slots_of(config);
            slots
                .flat_map(|(layer, _)| TensorKind::of(config, layer).map(move |kind| (layer, kind)))
                .collect()
        };
        let same = config.slots() == self.config.slots()
            && config.input_size == self.config.input_size
            && shapes(&config) == shapes(&self.config)
            && shapes(&config).iter().all(|&(l, kind)| kind.shape(&config, l) == kind.shape(&self.config, l));
        if same {
            return Ok(Weights { config, ..self });
        }
        let (expected, found) = ("none that change the weights' shapes".into(), "such a one".into());
        Err(Error::Setting { name: "settings", expected, found })
    }

    /// The weights of slot `layer * D + direction`.
    pub fn slot(&self, slot: usize) -> &SlotWeights<T> {
        &self.slots[slot]
    }

    /// All slots, in the order of the states.
    pub fn slots(&self) -> &[SlotWeights<T>] {
        &self.slots
    }

    /// Every tensor with its name, in PyTorch's order: layer by layer, forward first, ih, hh, then the
    /// biases.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        slots_of(&self.config).zip(&self.slots).flat_map(move |((layer, direction), slot)| {
            slot.tensors.iter().map(move |(&kind, tensor)| {
                let name = TensorName { layer, direction, kind };
                (name.format(naming), tensor.view())
            })
        })
    }

    /// One tensor by its name in either scheme.
    pub fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, T>> {
        let (naming, _) = TensorName::parse(name)?;
        self.tensors(naming).find(|(found, _)| found == name).map(|(_, tensor)| tensor)
    }

    /// The same weights in another precision.
    pub fn cast<U: num_traits::NumCast>(&self) -> Weights<U>
    where
        T: Copy + num_traits::ToPrimitive,
    {
        // Float to float always converts, to infinity at worst.
        let cast = |x: T| U::from(x).expect("a float converts to a float");
        let slots = self.slots.iter().map(|slot| SlotWeights {
            tensors: slot.tensors.iter().map(|(&kind, tensor)| (kind, tensor.mapv(cast))).collect(),
        });
        Weights { config: self.config.clone(), slots: slots.collect() }
    }

    /// The state of a batch of N before its first step where the caller gives none: learned, or zero.
    pub(crate) fn initial_state(&self, batch: usize) -> Result<State<T>>
    where
        T: Clone + num_traits::Zero,
    {
        let mut state = self.config.zero_state(batch)?;
        let fill = |array: &mut Array3<T>, kind| {
            for (slot, weights) in self.slots.iter().enumerate() {
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

impl<T> SlotWeights<T> {
    /// `[G*H, I]` (`[G*H, D*H]` above the first layer), a row block a gate.
    pub fn weight_ih(&self) -> ArrayView2<'_, T> {
        // Every slot has both.
        self.matrix(TensorKind::WeightIh).expect("every slot has weight_ih")
    }

    /// `[G*H, H]`; `[G*H, P]` with a projection.
    pub fn weight_hh(&self) -> ArrayView2<'_, T> {
        self.matrix(TensorKind::WeightHh).expect("every slot has weight_hh")
    }

    /// `[G*H]`, unless the network has no biases.
    pub fn bias_ih(&self) -> Option<ArrayView1<'_, T>> {
        self.vector(TensorKind::BiasIh)
    }

    /// `[G*H]`, unless the network has no biases.
    pub fn bias_hh(&self) -> Option<ArrayView1<'_, T>> {
        self.vector(TensorKind::BiasHh)
    }

    pub(crate) fn matrix(&self, kind: TensorKind) -> Option<ArrayView2<'_, T>> {
        // `Weights::collect` makes them of the shapes of `TensorKind::shape`.
        let view = self.tensors.get(&kind)?.view();
        Some(view.into_dimensionality::<Ix2>().expect("this kind is a matrix"))
    }

    pub(crate) fn vector(&self, kind: TensorKind) -> Option<ArrayView1<'_, T>> {
        let view = self.tensors.get(&kind)?.view();
        Some(view.into_dimensionality::<Ix1>().expect("this kind is a vector"))
    }
}

/// Layer and direction of every slot, in slot order.
pub(crate) fn slots_of(config: &Config) -> impl Iterator<Item = (usize, usize)> + use<> {
    let directions = config.directions.count();
    (0..config.slots()).map(move |slot| (slot / directions, slot % directions))
}
