//! The contents of a file: its arrays, and the networks that were found in it.
#![deny(clippy::arithmetic_side_effects)]

use super::formats::{self, Found, Limits, OpenFile, Opened, Part, Recipe};
use super::metadata::settings;
use super::{Entry, Table};
use crate::{Config, Layout, Result, io};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The arrays and networks of a file, by its headers alone.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Inspection {
    /// The kind of file.
    pub dialect: String,
    /// Every array, in the order of names.
    pub arrays: Vec<ArrayInfo>,
    /// Every network.
    pub networks: Vec<NetworkInfo>,
}

/// An array of a file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct ArrayInfo {
    /// The name in the file.
    pub name: String,
    /// The type: `f32`, `bf16`, or the format's own name of a type that no weight is read from.
    pub dtype: String,
    /// The shape.
    pub shape: Vec<usize>,
}

/// A network of a file.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NetworkInfo {
    /// The name, by which [`Reader::prefix`](crate::Reader::prefix) picks the network.
    pub name: String,
    /// The network; none of tensors that make none.
    #[serde(skip)]
    pub config: Option<Config>,
    /// Every setting of the network, by name, as text.
    pub settings: BTreeMap<&'static str, String>,
    /// The settings that the file states, with its words for them.
    pub stated: BTreeMap<&'static str, String>,
    /// Numbers of all weights.
    pub parameters: usize,
    /// True if the activation of a vanilla RNN has to be given.
    pub needs_activation: bool,
    /// True if the model takes the last output alone (Keras `return_sequences=False`).
    pub last_only: bool,
    /// What is told when the network is read.
    pub notes: Vec<String>,
    /// The fault of tensors that make no network.
    pub fault: Option<String>,
}

/// Looks at a file of weights: reads its headers, and no numbers.
///
/// ```
/// use wgpu_rnn::file::{self, Limits};
/// use wgpu_rnn::{Config, Init, Naming, Weights};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// let made = Weights::init(&Config::gru(13).input_size(7), &Init::pytorch())?;
/// made.save(&path, Naming::PyTorch)?;
/// let inspection = file::inspect(&path, Limits::default())?;
/// assert_eq!(inspection.dialect, "safetensors");
/// assert_eq!(inspection.arrays[1].name, "bias_ih_l0");
/// assert_eq!(inspection.networks[0].config.as_ref(), Some(made.config()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// [`Error::File`](crate::Error::File) for a file that cannot be read, or is of no known kind.
pub fn inspect(path: impl AsRef<Path>, limits: Limits) -> Result<Inspection> {
    let path = path.as_ref();
    let source = Part::whole(OpenFile::open(path)?);
    let opened = formats::open(source, path.parent(), limits).map_err(io::in_file(path))?;
    let Opened { dialect, arrays, networks } = opened;
    let arrays = arrays.into_iter().map(|array| ArrayInfo {
        name: array.name,
        dtype: array.view.element.name().to_owned(),
        shape: array.view.shape,
    });
    let networks = networks.into_iter().map(network).collect();
    Ok(Inspection { dialect: dialect.to_owned(), arrays: arrays.collect(), networks })
}

fn network(found: Found<Recipe<'_>>) -> NetworkInfo {
    let stated = found.stated.words().map(|(setting, word)| (setting, word.to_owned())).collect();
    let mut info = NetworkInfo {
        name: found.name.clone(),
        config: None,
        settings: BTreeMap::new(),
        stated,
        parameters: 0,
        needs_activation: false,
        last_only: found.stated.last_only,
        notes: found.stated.notes.clone(),
        fault: None,
    };
    let checked = found.config::<f32>(false).and_then(|(config, is_known)| {
        let table = Table::of(&config.check()?);
        info.needs_activation = !is_known;
        info.parameters = table.entries.iter().map(Entry::len).sum();
        info.settings = settings(&config);
        let layout = if config.layout == Layout::Ntc { "ntc" } else { "tnc" };
        info.settings.insert("layout", layout.into());
        info.config = Some(config);
        found.check::<f32>(&table)
    });
    info.fault = checked.err().map(|error| error.to_string());
    info
}
