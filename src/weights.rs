//! The numbers of a network, and the one place that knows which tensors it has.

mod init;
mod names;
mod params;
mod safetensors;

pub mod mxnet;

pub(crate) use init::Deferred;
pub use init::Init;
pub use names::Naming;
pub(crate) use names::{TensorKind, TensorName};
pub use params::SlotWeights;
pub(crate) use params::{Entry, Params, Table};

use crate::network::Network;
use crate::{Activation, Cell, Config, Directions, Error, Result, State};
use ndarray::{Array3, ArrayD, ArrayViewD, s};
use num_traits::Zero;
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
    network: Network,
    params: Params<T>,
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
}

impl<T: Clone + Zero> Weights<T> {
    /// Takes the tensors of a whole network by name, PyTorch's or Gluon's, and works out what it is.
    ///
    /// Names and shapes tell cells, layers, sizes, directions, biases, projection, peepholes, layer normalisation and learned
    /// states. A vanilla RNN's activation is not in them, nor is any other setting: see [`from_tensors_for`].
    ///
    /// [`from_tensors_for`]: Self::from_tensors_for
    pub fn from_tensors(
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        activation: Option<Activation>,
    ) -> Result<Weights<T>> {
        Weights::from_tensors_with(tensors, || Ok(activation), |config| config)
    }

    /// As [`from_tensors`](Self::from_tensors), with the settings that no tensor tells.
    ///
    /// ```
    /// # use wgpu_rnn::{Config, Init, Merge, Naming, Weights};
    /// # let made = Config::gru(13).num_layers(2).bidirectional().merge(Merge::Sum).input_size(7);
    /// # let made = Weights::init(&made, &Init::pytorch())?;
    /// # let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
    /// let weights = Weights::from_tensors_for(tensors, None, |config| config.merge(Merge::Sum))?;
    /// assert_eq!(weights.tensor("weight_ih_l1").unwrap().shape(), [39, 13]);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn from_tensors_for(
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        activation: Option<Activation>,
        settings: impl FnOnce(Config) -> Config,
    ) -> Result<Weights<T>> {
        Weights::from_tensors_with(tensors, || Ok(activation), settings)
    }

    /// Asks for the activation only if a cell has one.
    fn from_tensors_with(
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        activation: impl FnOnce() -> Result<Option<Activation>>,
        settings: impl FnOnce(Config) -> Config,
    ) -> Result<Weights<T>> {
        let (naming, mut tensors) = parse_names(tensors)?;
        let config = settings(infer_config(&tensors, naming, activation)?);
        let network = config.check()?;
        // Before the tensors of a network are asked for, of which a file's names may promise many.
        let is_missing = |entry: &&Entry| !tensors.contains_key(&entry.name);
        let table = Table::of(&network);
        if let Some(Entry { name, shape, .. }) = table.entries.iter().find(is_missing) {
            let (name, expected) = (name.format(naming), format!("{shape:?}"));
            return Err(Error::MissingTensor { name, expected });
        }
        let weights = Weights::collect(config, network, |entry| {
            // Its presence was checked just above.
            let tensor = tensors.remove(&entry.name).expect("no tensor is missing");
            if tensor.shape() == entry.shape {
                return Ok(tensor);
            }
            Err(Error::Shape {
                name: entry.name.format(naming),
                expected: format!("{:?}", entry.shape),
                found: tensor.shape().to_vec(),
            })
        })?;
        match tensors.into_keys().next() {
            Some(name) => Err(Error::UnusedTensor { name: name.format(naming) }),
            None => Ok(weights),
        }
    }

    /// The weights of a checked network, each tensor as `make` gives it.
    fn collect(
        config: Config,
        network: Network,
        mut make: impl FnMut(&Entry) -> Result<ArrayD<T>>,
    ) -> Result<Weights<T>>
    where
        T: Clone + Zero,
    {
        let Params { table, mut numbers } = Params::zeros(&network)?;
        for entry in &table.entries {
            Params::view_mut(&mut numbers, entry).assign(&make(entry)?);
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

    /// The same weights with other settings, of those that no weight depends on: clips, activations, outputs and the like.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings go together with each other or with the weights no more.
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

    /// The flat parameters.
    pub(crate) fn params(&self) -> &Params<T> {
        &self.params
    }

    /// Every tensor with its name, in PyTorch's order: layer by layer, forward first, ih, hh, then the biases.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        let entries = self.params.table.entries.iter();
        entries.map(move |entry| (entry.name.format(naming), self.params.view(entry)))
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
        let numbers = self.params.numbers.iter().map(|&number| cast(number)).collect();
        let params = Params { table: self.params.table.clone(), numbers };
        Weights { config: self.config.clone(), network: self.network.clone(), params }
    }

    /// The state that a batch of N starts from where the caller gives none: the learned one, or zero.
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
    let shape_of = |layer, kind| tensors.get(&TensorName { layer, direction: 0, kind }).map(ArrayD::shape);
    let of_first_layer = |kind, expected: &str| {
        let name = || TensorName { layer: 0, direction: 0, kind }.format(naming);
        match shape_of(0, kind) {
            Some(&[rows, columns]) if rows > 0 && columns > 0 => Ok((rows, columns)),
            Some(found) => {
                Err(Error::Shape { name: name(), expected: expected.into(), found: found.to_vec() })
            }
            None => Err(Error::MissingTensor { name: name(), expected: expected.into() }),
        }
    };
    let (_, input_size) = of_first_layer(TensorKind::WeightIh, "[G*H, I]")?;
    let (rows, columns) = of_first_layer(TensorKind::WeightHh, "[G*H, H]")?;
    let has = |kind| tensors.keys().any(|name| name.kind == kind);
    let projection =
        if has(TensorKind::WeightHr) { Some(of_first_layer(TensorKind::WeightHr, "[P, H]")?) } else { None };
    // H: what the recurrent product contracts, or what the projection does.
    let hidden_size = projection.map_or(columns, |(_, hidden_size)| hidden_size);
    let num_layers = 1 + tensors.keys().map(|name| name.layer).max().unwrap_or(0);
    let Some(gates) = gates_of(rows, hidden_size) else {
        return Err(Error::Shape {
            name: TensorName { layer: 0, direction: 0, kind: TensorKind::WeightHh }.format(naming),
            expected: format!(
                "[{hidden_size}, {columns}] (RNN), [{}, {columns}] (GRU) or [{}, {columns}] (LSTM)",
                3 * hidden_size,
                4 * hidden_size
            ),
            found: vec![rows, columns],
        });
    };
    // Of a layer that cannot be told, the first one stands for, whose shapes it is then held against.
    let kind_of = |layer| {
        let columns = match shape_of(
            layer,
            if projection.is_some() { TensorKind::WeightHr } else { TensorKind::WeightHh },
        ) {
            Some(&[_, columns]) => columns,
            _ => hidden_size,
        };
        match shape_of(layer, TensorKind::WeightHh) {
            Some(&[rows, _]) => gates_of(rows, columns).map(|gates| (gates, columns)),
            _ => None,
        }
        .unwrap_or((gates, hidden_size))
    };
    let kinds: Vec<_> = (0..num_layers).map(kind_of).collect();
    let mut vanilla = None;
    if kinds.iter().any(|&(gates, _)| gates == 1) {
        vanilla = Some(activation()?.ok_or(Error::Activation { found: "none".into() })?);
    }
    let cell_of = |gates| match (gates, vanilla) {
        (3, _) => Cell::Gru,
        (4, _) => Cell::Lstm,
        (_, activation) => Cell::Vanilla(activation.unwrap_or(Activation::Tanh)),
    };
    let mut config = Config::new(cell_of(gates), hidden_size).input_size(input_size).num_layers(num_layers);
    if kinds.iter().any(|kind| *kind != kinds[0]) {
        config.stack = kinds.iter().map(|&(gates, hidden_size)| (cell_of(gates), hidden_size)).collect();
    }
    if tensors.keys().any(|name| name.direction == 1) {
        config.directions = Directions::Both;
    }
    config.proj_size = projection.map_or(0, |(proj_size, _)| proj_size);
    config.bias = tensors.keys().any(|name| name.kind.is_bias());
    config.peepholes = has(TensorKind::Peephole);
    config.layer_norm = has(TensorKind::NormIhWeight);
    config.learned_state = has(TensorKind::InitialH);
    Ok(config)
}

/// G, if these can be the rows of a weight matrix of H units.
fn gates_of(rows: usize, hidden_size: usize) -> Option<usize> {
    let gates = [1, 3, 4].into_iter().find(|gates| hidden_size.checked_mul(*gates) == Some(rows));
    gates.filter(|_| hidden_size > 0)
}
