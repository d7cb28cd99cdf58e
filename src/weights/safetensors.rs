//! Weights as safetensors files, under PyTorch's or Gluon's names.

use super::{Naming, Weights};
use crate::{Activation, Cell, Config, Result, file};
use std::path::Path;

/// The metadata key that holds a vanilla RNN's activation.
const ACTIVATION: &str = "activation";

/// The key that holds each layer's cell where some are vanilla RNNs, whose kinds no tensor tells apart.
const CELLS: &str = "cells";

/// The key that holds other activations than the cells' own.
const ACTIVATIONS: &str = "activations";

/// What the metadata tell of a network beyond its tensors; what they do not tell as this library writes it is passed over.
fn metadata_of(metadata: &file::Metadata, mut config: Config) -> Config {
    if let Some(text) = metadata.get(CELLS) {
        let named = |name: &str| Cell::ALL.into_iter().find(|cell| cell.name() == name);
        let cells: Option<Vec<Cell>> = text.split(',').map(named).collect();
        if let Some(cells) = cells.filter(|cells| cells.len() == config.num_layers) {
            let layers = cells.into_iter().enumerate().map(|(layer, cell)| {
                let (found, hidden_size) = config.cell_of(layer);
                // Only among those of as many gates may the file choose.
                (if cell.gates() == found.gates() { cell } else { found }, hidden_size)
            });
            let layers: Vec<_> = layers.collect();
            (config.cell, config.hidden_size) = layers[0];
            let differ = layers.iter().any(|layer| *layer != layers[0]);
            config.stack = if differ { layers } else { Vec::new() };
        }
    }
    if let Some(text) = metadata.get(ACTIVATIONS) {
        let activations: Option<Vec<Activation>> = text.split(',').map(|name| name.parse().ok()).collect();
        config.activations = activations.unwrap_or(config.activations);
    }
    config
}

impl Weights<f32> {
    /// Reads a safetensors file of f32 tensors and works out the network from names and shapes.
    ///
    /// A vanilla RNN's activation is `activation` if given, else the file's metadata must have `activation`
    /// (`relu`, `tanh` or another). The layout is TNC until [`layout`](Weights::layout) sets another; so are all settings
    /// that no tensor tells: see [`load_for`](Weights::load_for).
    pub fn load(path: impl AsRef<Path>, activation: Option<Activation>) -> Result<Weights> {
        Weights::load_for(path, activation, |config| config)
    }

    /// As [`load`](Weights::load), with the settings that no tensor tells.
    pub fn load_for(
        path: impl AsRef<Path>,
        activation: Option<Activation>,
        settings: impl FnOnce(Config) -> Config,
    ) -> Result<Weights> {
        let path = path.as_ref();
        Weights::from_safetensors_for(&file::read(path)?, activation, settings).map_err(file::in_file(path))
    }

    /// As [`load`](Weights::load), from memory.
    pub fn from_safetensors(bytes: &[u8], activation: Option<Activation>) -> Result<Weights> {
        Weights::from_safetensors_for(bytes, activation, |config| config)
    }

    /// As [`load_for`](Weights::load_for), from memory.
    pub fn from_safetensors_for(
        bytes: &[u8],
        activation: Option<Activation>,
        settings: impl FnOnce(Config) -> Config,
    ) -> Result<Weights> {
        let (_, metadata) = file::deserialize(bytes)?;
        let is_given = activation.is_some();
        let told = metadata.contains_key(CELLS) || metadata.contains_key(ACTIVATIONS);
        // The metadata of other cells may hold what it will.
        let activation = || match (activation, metadata.get(ACTIVATION)) {
            (None, Some(name)) => name.parse().map(Some),
            // To be replaced by what the other key tells.
            (None, None) if told => Ok(Some(Activation::Tanh)),
            (given, _) => Ok(given),
        };
        let known = |config| settings(if is_given { config } else { metadata_of(&metadata, config) });
        Weights::from_tensors_with(file::tensors_from(bytes)?, activation, known)
    }

    /// Writes a safetensors file, beside first and then into its place.
    pub fn save(&self, path: impl AsRef<Path>, naming: Naming) -> Result<()> {
        file::replace(path, &self.to_safetensors(naming)?)
    }

    /// As [`save`](Weights::save), into memory.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        let cells: Vec<Cell> = self.network.layers().map(|slots| slots[0].cell.cell).collect();
        let mut kinds: Vec<_> = cells.iter().filter_map(|cell| cell.activation()).collect();
        kinds.dedup();
        let join = |names: Vec<String>| names.join(",");
        let named = &self.config.activations;
        // One key at most, since several have no order.
        let tells = match (named.as_slice(), kinds.as_slice()) {
            ([one], [_]) => Some((ACTIVATION, one.to_string())),
            ([], []) => None,
            ([], [one]) => Some((ACTIVATION, one.to_string())),
            ([], _) => Some((CELLS, join(cells.iter().map(|cell| cell.name().to_owned()).collect()))),
            _ => Some((ACTIVATIONS, join(named.iter().map(Activation::to_string).collect()))),
        };
        let metadata = tells.map(|(key, value)| file::Metadata::from([(key.into(), value)]));
        file::to_safetensors(self.tensors(naming), metadata)
    }
}
