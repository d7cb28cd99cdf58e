//! Weights as safetensors files, under PyTorch's or Gluon's names.

use super::{Naming, Weights};
use crate::{Activation, Config, Result, file};
use std::path::Path;

/// The metadata key that holds a vanilla RNN's activation.
const ACTIVATION: &str = "activation";

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
        // The metadata of other cells may hold what it will.
        let activation = || match (activation, metadata.get(ACTIVATION)) {
            (None, Some(name)) => name.parse().map(Some),
            (given, _) => Ok(given),
        };
        Weights::from_tensors_with(file::tensors_from(bytes)?, activation, settings)
    }

    /// Writes a safetensors file, beside first and then into its place.
    pub fn save(&self, path: impl AsRef<Path>, naming: Naming) -> Result<()> {
        file::replace(path, &self.to_safetensors(naming)?)
    }

    /// As [`save`](Weights::save), into memory.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        let layers = (0..self.config.num_layers).map(|layer| self.config.layer(layer).cell);
        let vanilla = layers.into_iter().find(|cell| cell.activation().is_some());
        let metadata = vanilla.map(|cell| {
            let activation = self.config.activations_of(cell, 0)[0];
            file::Metadata::from([(ACTIVATION.into(), activation.to_string())])
        });
        file::to_safetensors(self.tensors(naming), metadata)
    }
}
