//! The numbers of a network, and the one place that knows which tensors it has.

mod init;
mod names;
mod safetensors;

pub mod mxnet;

pub(crate) use init::Deferred;
pub use init::Init;
pub use names::Naming;
pub(crate) use names::{Kind, TensorName};

use crate::{Activation, Cell, Config, Directions, Error, Result};
use ndarray::{Array1, Array2, ArrayD, ArrayViewD, Ix1, Ix2};
use std::collections::BTreeMap;

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

/// The weights of one layer and direction. Without biases both vectors are zero.
#[derive(Clone, Debug, PartialEq)]
pub struct SlotWeights<T = f32> {
    /// `[G*H, I]` (`[G*H, D*H]` above the first layer), a row block a gate.
    pub weight_ih: Array2<T>,
    /// `[G*H, H]`.
    pub weight_hh: Array2<T>,
    /// `[G*H]`.
    pub bias_ih: Array1<T>,
    /// `[G*H]`.
    pub bias_hh: Array1<T>,
}

impl Weights<f32> {
    /// Draws the weights of a network whose input size is known.
    pub fn init(config: &Config, init: &Init) -> Result<Weights> {
        if config.input_size == 0 {
            return Err(Error::Setting {
                name: "input_size",
                expected: "at least 1 (a lazy Layer takes it from its first input)".into(),
                found: "0".into(),
            });
        }
        Deferred::new(config, init.clone())?.finish(config.input_size)
    }
}

impl<T: Clone + num_traits::Zero> Weights<T> {
    /// Takes the tensors of a whole network by name, PyTorch's or Gluon's, and works out what it is.
    ///
    /// The number of gates tells the cell, the names tell layers, directions and biases. Only a vanilla RNN's
    /// activation is not in them.
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        activation: Option<Activation>,
    ) -> Result<Weights<T>> {
        Weights::from_tensors_with(tensors, || Ok(activation))
    }

    /// As [`from_tensors`](Self::from_tensors), asking for the activation only if the cell has one.
    fn from_tensors_with(
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        activation: impl FnOnce() -> Result<Option<Activation>>,
    ) -> Result<Weights<T>> {
        let (naming, mut tensors) = parse_names(tensors)?;
        let config = infer_config(&tensors, naming, activation)?;
        let mut slots = Vec::new();
        for (layer, direction) in slots_of(&config) {
            let mut take = |kind| {
                let name = TensorName { layer, direction, kind };
                let expected = kind.shape(&config, layer);
                let tensor = tensors.remove(&name).ok_or_else(|| Error::MissingTensor {
                    name: name.format(naming),
                    expected: format!("{expected:?}"),
                })?;
                if tensor.shape() == expected {
                    return Ok(tensor);
                }
                Err(Error::Shape {
                    name: name.format(naming),
                    expected: format!("{expected:?}"),
                    found: tensor.shape().to_vec(),
                })
            };
            let weight_ih = matrix(take(Kind::WeightIh)?);
            let weight_hh = matrix(take(Kind::WeightHh)?);
            let (bias_ih, bias_hh) = if config.bias {
                (vector(take(Kind::BiasIh)?), vector(take(Kind::BiasHh)?))
            } else {
                let none = Array1::zeros(config.gate_rows());
                (none.clone(), none)
            };
            slots.push(SlotWeights { weight_ih, weight_hh, bias_ih, bias_hh });
        }
        Ok(Weights { config, slots })
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

    /// The weights of slot `layer * D + direction`.
    pub fn slot(&self, slot: usize) -> &SlotWeights<T> {
        &self.slots[slot]
    }

    /// All slots, in the order of the states.
    pub fn slots(&self) -> &[SlotWeights<T>] {
        &self.slots
    }

    /// Every tensor with its name, in PyTorch's order: layer by layer, forward first, ih, hh, then the biases.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        let kinds = if self.config.bias { &Kind::ALL[..] } else { &Kind::ALL[..2] };
        slots_of(&self.config).zip(&self.slots).flat_map(move |((layer, direction), slot)| {
            kinds.iter().map(move |&kind| {
                let name = TensorName { layer, direction, kind };
                (name.format(naming), slot.tensor(kind))
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
            weight_ih: slot.weight_ih.mapv(cast),
            weight_hh: slot.weight_hh.mapv(cast),
            bias_ih: slot.bias_ih.mapv(cast),
            bias_hh: slot.bias_hh.mapv(cast),
        });
        Weights { config: self.config.clone(), slots: slots.collect() }
    }
}

impl<T> SlotWeights<T> {
    fn tensor(&self, kind: Kind) -> ArrayViewD<'_, T> {
        match kind {
            Kind::WeightIh => self.weight_ih.view().into_dyn(),
            Kind::WeightHh => self.weight_hh.view().into_dyn(),
            Kind::BiasIh => self.bias_ih.view().into_dyn(),
            Kind::BiasHh => self.bias_hh.view().into_dyn(),
        }
    }
}

/// Layer and direction of every slot, in slot order.
pub(crate) fn slots_of(config: &Config) -> impl Iterator<Item = (usize, usize)> + use<> {
    let directions = config.directions.count();
    (0..config.slots()).map(move |slot| (slot / directions, slot % directions))
}

type Named<T> = BTreeMap<TensorName, ArrayD<T>>;

fn parse_names<T>(tensors: impl IntoIterator<Item = (String, ArrayD<T>)>) -> Result<(Naming, Named<T>)> {
    let mut named = BTreeMap::new();
    let mut first: Option<(Naming, String)> = None;
    for (name, tensor) in tensors {
        let Some((naming, parsed)) = TensorName::parse(&name) else {
            return Err(Error::UnknownTensor { name });
        };
        named.insert(parsed, tensor);
        match &first {
            None => first = Some((naming, name)),
            Some((seen, _)) if *seen == naming => {}
            Some((Naming::PyTorch, pytorch)) => {
                return Err(Error::MixedNames { pytorch: pytorch.clone(), gluon: name });
            }
            Some((Naming::Gluon, gluon)) => {
                return Err(Error::MixedNames { pytorch: name, gluon: gluon.clone() });
            }
        }
    }
    let naming = first.map_or(Naming::PyTorch, |(naming, _)| naming);
    Ok((naming, named))
}

fn infer_config<T>(
    tensors: &Named<T>,
    naming: Naming,
    activation: impl FnOnce() -> Result<Option<Activation>>,
) -> Result<Config> {
    let of_first_layer = |kind, expected: &str| {
        let name = TensorName { layer: 0, direction: 0, kind };
        let missing = || Error::MissingTensor { name: name.format(naming), expected: expected.into() };
        let shape = tensors.get(&name).ok_or_else(missing)?.shape();
        match shape {
            &[rows, columns] if rows > 0 && columns > 0 => Ok((rows, columns)),
            _ => Err(Error::Shape {
                name: name.format(naming),
                expected: expected.into(),
                found: shape.to_vec(),
            }),
        }
    };
    let (_, input_size) = of_first_layer(Kind::WeightIh, "[G*H, I]")?;
    let (rows, hidden_size) = of_first_layer(Kind::WeightHh, "[G*H, H]")?;
    let cell = match (rows % hidden_size, rows / hidden_size) {
        (0, 1) => Cell::rnn(activation()?.ok_or(Error::Activation { found: "none".into() })?),
        (0, 3) => Cell::Gru,
        (0, 4) => Cell::Lstm,
        _ => {
            return Err(Error::Shape {
                name: TensorName { layer: 0, direction: 0, kind: Kind::WeightHh }.format(naming),
                expected: format!(
                    "[{hidden_size}, {hidden_size}] (RNN), [{}, {hidden_size}] (GRU) or \
                     [{}, {hidden_size}] (LSTM)",
                    3 * hidden_size,
                    4 * hidden_size
                ),
                found: vec![rows, hidden_size],
            });
        }
    };
    let mut config = Config::new(cell, hidden_size).input_size(input_size);
    config.num_layers = 1 + tensors.keys().map(|name| name.layer).max().unwrap_or(0);
    if tensors.keys().any(|name| name.direction == 1) {
        config.directions = Directions::Both;
    }
    config.bias = tensors.keys().any(|name| name.kind.is_bias());
    // Before the sizes are checked: a file that names layer 10^9 lacks layer 1, and should be told so.
    for (layer, direction) in slots_of(&config) {
        for kind in Kind::ALL {
            let name = TensorName { layer, direction, kind };
            if (config.bias || !kind.is_bias()) && !tensors.contains_key(&name) {
                return Err(Error::MissingTensor {
                    name: name.format(naming),
                    expected: format!("{:?}", kind.shape(&config, layer)),
                });
            }
        }
    }
    config.check()?;
    Ok(config)
}

/// Only called on tensors whose shape has been compared with that of a matrix.
fn matrix<T>(tensor: ArrayD<T>) -> Array2<T> {
    tensor.into_dimensionality::<Ix2>().expect("the shape was checked to be a matrix")
}

/// Only called on tensors whose shape has been compared with that of a vector.
fn vector<T>(tensor: ArrayD<T>) -> Array1<T> {
    tensor.into_dimensionality::<Ix1>().expect("the shape was checked to be a vector")
}
