//! The one way from tensors to weights, for every format.

use super::formats::{self, Contents};
use super::infer::{Named, infer, parse_names, set_activation};
use super::metadata::{CELLS, Metadata, refused};
use super::{Entry, Table, Weights};
use crate::{Activation, Cell, Config, Error, Naming, Result, io};
use ndarray::ArrayD;
use num_traits::Zero;
use std::path::Path;

/// Reads the weights of a whole network, with the settings that a file does not tell.
///
/// Names and shapes of the tensors, PyTorch's or Gluon's, tell cells, layers, sizes, directions, biases,
/// projection, peepholes, layer normalisation and learned states. The metadata of a file that
/// [`Weights::save`] has written tell the cells by name and their activations. The rest is for the caller to
/// say.
///
/// Names that begin with `head.`, `optimizer.` or `carried.` are passed over: a
/// [`Checkpoint`](crate::train::Checkpoint) has these tensors beside the weights.
///
/// ```
/// use wgpu_rnn::{Activation, Config, Init, Merge, Naming, Weights};
///
/// let made = Config::rnn_tanh(13).num_layers(2).bidirectional().merge(Merge::Sum).input_size(7);
/// let made = Weights::init(&made, &Init::pytorch())?;
/// let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
///
/// let reader = Weights::reader().activation(Activation::Tanh).settings(|config| config.merge(Merge::Sum));
/// let read = reader.from_tensors(tensors)?;
/// assert_eq!(read, made);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[must_use]
#[derive(Default)]
pub struct Reader<'a> {
    config: Option<Config>,
    activation: Option<Activation>,
    settings: Option<Box<dyn FnOnce(Config) -> Config + 'a>>,
}

impl Weights<f32> {
    /// Reads a safetensors file of f32 tensors, and works out the network from it: see [`Reader`].
    ///
    /// ```
    /// use wgpu_rnn::{Config, Init, Naming, Weights};
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let path = folder.path().join("model.safetensors");
    /// let made = Weights::init(&Config::gru(13).bidirectional().input_size(7), &Init::pytorch())?;
    /// made.save(&path, Naming::PyTorch)?;
    /// assert_eq!(Weights::load(&path)?, made);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`Reader::load`].
    pub fn load(path: impl AsRef<Path>) -> Result<Weights> {
        Weights::reader().load(path)
    }

    /// Reads weights with settings that a file does not tell.
    pub fn reader<'a>() -> Reader<'a> {
        Reader::default()
    }
}

impl<'a> Reader<'a> {
    /// The activation of the layers that are vanilla RNNs, which no tensor tells. It comes before what the
    /// file's metadata tell.
    ///
    /// ```
    /// use ndarray::ArrayD;
    /// use wgpu_rnn::{Activation, Cell, Error, Weights};
    ///
    /// let tensors = [("weight_ih_l0", [3, 2]), ("weight_hh_l0", [3, 3])]
    ///     .map(|(name, shape)| (name.to_owned(), ArrayD::<f32>::zeros(&shape[..])));
    /// let none = Weights::reader().from_tensors(tensors.clone());
    /// assert!(matches!(none, Err(Error::Activation { .. })));
    /// let weights = Weights::reader().activation(Activation::Relu).from_tensors(tensors)?;
    /// assert_eq!(weights.config().cell, Cell::Vanilla(Activation::Relu));
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    /// Reading gives [`Error::Setting`] if no layer is a vanilla RNN.
    pub fn activation(mut self, activation: impl Into<Option<Activation>>) -> Reader<'a> {
        self.activation = activation.into();
        self
    }

    /// Sets the whole network. The tensors then have to fit this network, and their names and shapes tell
    /// nothing.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Init, Naming, Weights};
    ///
    /// let made = Weights::init(&Config::gru(13).input_size(7), &Init::pytorch())?;
    /// let bytes = made.to_safetensors(Naming::PyTorch)?;
    /// let known = Config::gru(13).input_size(7).preactivation_clip(3.0);
    /// assert_eq!(Weights::reader().config(&known).from_bytes(&bytes)?.config(), &known);
    /// let error = Weights::reader().config(&Config::gru(13).input_size(8)).from_bytes(&bytes).unwrap_err();
    /// assert_eq!(error.to_string(), "weight_ih_l0: expected shape [39, 8], found [39, 7]");
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn config(mut self, config: &Config) -> Reader<'a> {
        self.config = Some(config.clone());
        self
    }

    /// Adds settings that the file does not tell to the network that the file tells. Of several calls, the
    /// last counts.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Init, Naming, Reset, Weights};
    ///
    /// let made = Weights::init(&Config::gru(13).input_size(7), &Init::pytorch())?;
    /// let bytes = made.to_safetensors(Naming::PyTorch)?;
    /// let reader = Weights::reader().settings(|config| config.gru_reset(Reset::Before));
    /// assert_eq!(reader.from_bytes(&bytes)?.config().gru_reset, Reset::Before);
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    pub fn settings(mut self, settings: impl FnOnce(Config) -> Config + 'a) -> Reader<'a> {
        self.settings = Some(Box::new(settings));
        self
    }

    /// Reads a file of f32 tensors.
    ///
    /// # Errors
    /// [`Error::File`] for every fault of the file; [`Error::Setting`] for a setting that does not go
    /// together with the file's network; [`Error::Memory`] where memory cannot hold the weights.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Weights> {
        let path = path.as_ref();
        let in_file = io::in_file(path);
        let Contents { tensors, metadata } = formats::read(&io::read(path)?).map_err(&in_file)?;
        self.read(tensors, &metadata, &in_file)
    }

    /// Reads the bytes of a file, as [`load`](Reader::load) does.
    ///
    /// # Errors
    /// [`Error::Safetensors`] for bytes that are not a safetensors file of f32, [`Error::Metadata`] for
    /// metadata that do not fit the tensors, and the errors of [`from_tensors`](Reader::from_tensors).
    pub fn from_bytes(self, bytes: &[u8]) -> Result<Weights> {
        let Contents { tensors, metadata } = formats::read(bytes)?;
        self.read(tensors, &metadata, &|error| error)
    }

    /// Takes tensors by name, of f32 or f64.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`], [`Error::UnusedTensor`], [`Error::MissingTensor`],
    /// [`Error::DuplicateTensor`] and [`Error::MixedNames`] for names that make no network, [`Error::Shape`]
    /// for a tensor of another shape, [`Error::Activation`] for a vanilla RNN whose activation is not known,
    /// [`Error::Setting`] for settings that do not go together with the network, [`Error::Memory`] where
    /// memory cannot hold the weights.
    pub fn from_tensors<T: Clone + Zero>(
        self,
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
    ) -> Result<Weights<T>> {
        self.read(tensors, &Metadata::default(), &|error| error)
    }

    /// `in_file` is for the errors whose cause is in the file.
    fn read<T: Clone + Zero>(
        self,
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
        metadata: &Metadata,
        in_file: &dyn Fn(Error) -> Error,
    ) -> Result<Weights<T>> {
        let (naming, tensors) = parse_names(tensors).map_err(in_file)?;
        let is_known = self.config.is_some();
        let (mut config, mut knows_activation) = match self.config {
            Some(config) => {
                config.check()?;
                check_cells(&config, metadata).map_err(in_file)?;
                (config, true)
            }
            None => infer(&tensors, naming, metadata, self.activation.is_some()).map_err(in_file)?,
        };
        if let Some(activation) = self.activation {
            if is_known && !config.activations.is_empty() {
                let expected = "none beside a configuration with activations".into();
                return Err(Error::Setting { name: "activation", expected, found: activation.to_string() });
            }
            set_activation(&mut config, activation)?;
        }
        if let Some(settings) = self.settings {
            config = settings(config);
            knows_activation |= !config.activations.is_empty();
        }
        config.check()?;
        if !knows_activation {
            return Err(in_file(Error::Activation { found: "none".into() }));
        }
        fit(config, naming, tensors).map_err(in_file)
    }
}

/// Refuses a network whose cells are others than the metadata name, but for a vanilla RNN's activation.
fn check_cells(config: &Config, metadata: &Metadata) -> Result<()> {
    let Some(found) = &metadata.cells else { return Ok(()) };
    let cells: Vec<Cell> = (0..config.num_layers).map(|layer| config.cell_of(layer).0).collect();
    let same = |(a, b): (&Cell, &Cell)| a == b || (a.activation().is_some() && b.activation().is_some());
    if found.len() == cells.len() && found.iter().zip(&cells).all(same) {
        return Ok(());
    }
    let names = |cells: &[Cell]| cells.iter().map(|cell| cell.name()).collect::<Vec<_>>().join(",");
    Err(refused(CELLS, names(&cells), names(found)))
}

/// The weights from the tensors of a network: every tensor, no other tensor, all in their shapes.
fn fit<T: Clone + Zero>(config: Config, naming: Naming, mut tensors: Named<T>) -> Result<Weights<T>> {
    let network = config.check()?;
    // Missing tensors are found before memory is asked for: a file's names alone may promise a huge network.
    let is_missing = |entry: &&Entry| !tensors.contains_key(&entry.name);
    let table = Table::of(&network);
    if let Some(Entry { name, shape, .. }) = table.entries.iter().find(is_missing) {
        let (name, expected) = (name.format(naming), format!("{shape:?}"));
        return Err(Error::MissingTensor { name, expected });
    }
    let weights = Weights::collect(config, network, |entry| {
        // The presence of each tensor was checked just above.
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
