//! The one way from tensors to weights, for every format.
#![deny(clippy::arithmetic_side_effects)]

use super::formats::{self, Fault, Found, Limits, OpenFile, Part, Spelling, Stated, Tensor};
use super::infer::set_activation;
use super::{Table, Weights, is_beside};
use crate::quote::quote;
use crate::{Activation, Config, Error, Float, Result, io};
use ndarray::ArrayD;
use std::path::Path;

/// Reads the weights of a whole network, with the settings that a file does not tell.
///
/// Names and shapes of the tensors, PyTorch's or Gluon's, tell cells, layers, sizes, directions, biases,
/// projection, peepholes, layer normalisation and learned states. What a file states beside them holds: the
/// metadata of a file that [`Weights::save`] has written, attributes of a graph, a stored configuration. The
/// rest is for the caller to say. A setting of the caller that contradicts the file is refused.
///
/// [`prefix`](Reader::prefix) picks a network of a file with several. Arrays of other layers are passed
/// over.
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
    prefix: Option<String>,
    limits: Limits,
}

impl Weights<f32> {
    /// Reads the network of a file of any [format](crate::file), which its first bytes tell: see [`Reader`].
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
    /// The activation of the layers that are vanilla RNNs, which no tensor tells.
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
    /// Reading gives [`Error::Setting`] if no layer is a vanilla RNN, [`Error::Contradiction`] if the file
    /// states another activation.
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

    /// Picks a network by its name: a module path (`encoder.lstm`), a node's, a layer's or a block's name. An
    /// exact name comes first, then a unique ending of whole segments (`lstm`). A last `.`, `/` or `_` may be
    /// left out. The empty name is the root.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Init, Naming, Weights};
    ///
    /// let made = Weights::init(&Config::gru(13).input_size(7), &Init::pytorch())?;
    /// let named = |prefix: &str| {
    ///     let tensors = made.tensors(Naming::PyTorch);
    ///     tensors.map(|(name, tensor)| (format!("{prefix}{name}"), tensor.to_owned())).collect::<Vec<_>>()
    /// };
    /// let both = [named("encoder.gru."), named("decoder.gru.")].concat();
    /// assert_eq!(Weights::reader().prefix("encoder.gru".to_owned()).from_tensors(both.clone())?, made);
    /// let error = Weights::reader().from_tensors(both).unwrap_err().to_string();
    /// assert!(error.contains(r#"found "decoder.gru" (gru, 1 layer, input 7, hidden 13), "encoder.gru""#));
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    /// Reading gives [`Error::NoNetwork`] or [`Error::SeveralNetworks`] where the name is no network's, or of
    /// several.
    pub fn prefix(mut self, name: impl Into<Option<String>>) -> Reader<'a> {
        self.prefix = name.into();
        self
    }

    /// What reading may take.
    pub fn limits(mut self, limits: Limits) -> Reader<'a> {
        self.limits = limits;
        self
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`Error::File`] for every fault of the file; [`Error::Setting`] for a setting that does not go
    /// together with the file's network; [`Error::Contradiction`] for one that the file states otherwise;
    /// [`Error::Memory`] where memory cannot hold the weights.
    pub fn load(self, path: impl AsRef<Path>) -> Result<Weights> {
        let (path, limits) = (path.as_ref(), self.limits);
        let source = Part::whole(OpenFile::open(path)?);
        let opened = formats::open(source, path.parent(), limits).map_err(io::in_file(path))?;
        let (config, found) = self.pick::<f32, _>(opened.networks, &io::in_file(path))?;
        fit(config, found).map_err(io::in_file(path))
    }

    /// The network of a file, by the headers of its arrays alone.
    ///
    /// # Errors
    /// The errors of [`load`](Reader::load), but for those of numbers.
    pub fn load_config(self, path: impl AsRef<Path>) -> Result<Config> {
        let (path, limits) = (path.as_ref(), self.limits);
        let source = Part::whole(OpenFile::open(path)?);
        let opened = formats::open(source, path.parent(), limits).map_err(io::in_file(path))?;
        Ok(self.pick::<f32, _>(opened.networks, &io::in_file(path))?.0)
    }

    /// Reads the bytes of a file, as [`load`](Reader::load) does.
    ///
    /// # Errors
    /// [`Error::Format`] for bytes that are of no format, or not whole, [`Error::Metadata`] for
    /// metadata that do not fit the tensors, and the errors of [`from_tensors`](Reader::from_tensors).
    pub fn from_bytes(self, bytes: &[u8]) -> Result<Weights> {
        let opened = formats::open(Part::whole(bytes), None, self.limits)?;
        let (config, found) = self.pick::<f32, _>(opened.networks, &|error| error)?;
        fit(config, found)
    }

    /// Takes tensors by name, of f32 or f64.
    ///
    /// # Errors
    /// [`Error::UnknownTensor`], [`Error::UnusedTensor`], [`Error::MissingTensor`],
    /// [`Error::DuplicateTensor`] and [`Error::MixedNames`] for names that make no network, [`Error::Shape`]
    /// for a tensor of another shape, [`Error::Activation`] for a vanilla RNN whose activation is not known,
    /// [`Error::Setting`] for settings that do not go together with the network, [`Error::Memory`] where
    /// memory cannot hold the weights.
    pub fn from_tensors<T: Float>(
        self,
        tensors: impl IntoIterator<Item = (String, ArrayD<T>)>,
    ) -> Result<Weights<T>> {
        let (mut networks, others) = formats::by_names(tensors.into_iter().collect(), &Stated::default())?;
        if self.prefix.is_none()
            && let Some(name) = others.into_iter().find(|name| !is_beside(name))
        {
            return Err(Error::UnknownTensor { name });
        }
        if networks.is_empty() {
            // The first tensor that is missing is named.
            let (spelling, stated) = (Spelling::plain(crate::Naming::PyTorch), Stated::default());
            networks.push(Found { name: String::new(), spelling, tensors: Default::default(), stated });
        }
        let (config, found) = self.pick::<T, _>(networks, &|error| error)?;
        fit(config, found)
    }

    /// The network that is meant, and where its tensors are. `in_file` is for the errors whose cause is in
    /// the file.
    fn pick<T: Float, R: Tensor<T>>(
        self,
        networks: Vec<Found<R>>,
        in_file: &dyn Fn(Error) -> Error,
    ) -> Result<(Config, Found<R>)> {
        let found = formats::pick(networks, self.prefix.as_deref()).map_err(in_file)?;
        let stated = found.stated.clone();
        let is_known = self.config.is_some();
        let told = found.config(self.activation.is_some() || is_known);
        let (mut config, mut knows_activation) = match self.config {
            Some(config) => {
                config.check()?;
                match told {
                    Ok((told, _)) => stated.check(&told, &config).map_err(in_file)?,
                    Err(error @ (Error::Metadata { .. } | Error::Format { .. })) => {
                        return Err(in_file(error));
                    }
                    // Tensors that make no network do not fit this one either.
                    Err(_) => {}
                }
                (config, true)
            }
            None => told.map_err(in_file)?,
        };
        let told = config.clone();
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
        stated.check(&told, &config).map_err(in_file)?;
        if !knows_activation {
            return Err(in_file(Error::Activation { found: "none".into() }));
        }
        Ok((config, found))
    }
}

/// The weights from the tensors of a network: every tensor, no other tensor, all in their shapes.
fn fit<T: Float, R: Tensor<T>>(config: Config, found: Found<R>) -> Result<Weights<T>> {
    let network = config.check()?;
    let table = Table::of(&network);
    let found = found.apart(&table)?;
    found.check(&table)?;
    found.log();
    let (mut tensors, spelling) = (found.tensors, found.spelling);
    Weights::collect(config, network, |entry, mut into| {
        // The presence of each tensor was checked just above.
        let tensor = tensors.remove(&entry.name).expect("no tensor is missing");
        tensor.write(into.view_mut())?;
        match tensor.lost(into.view())? {
            None => Ok(()),
            Some(number) => {
                let what = format!("numbers of {}", quote(&spelling.of(entry.name)));
                let expected = format!("at most {:e}, as f32 holds", f32::MAX);
                Err(Fault::new("array").error(&what, expected, format!("{number:e}")))
            }
        }
    })
}
