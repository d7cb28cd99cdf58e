//! Weights as safetensors files, under PyTorch's or Gluon's names.

use super::{Naming, Weights};
use crate::{Activation, Result, file};
use std::path::Path;

/// The metadata key that holds a vanilla RNN's activation.
const ACTIVATION: &str = "activation";

impl Weights<f32> {
    /// Reads a safetensors file of f32 tensors and works out the network from names and shapes.
    ///
    /// A vanilla RNN's activation is `activation` if given, else the file's metadata must have `activation`
    /// (`relu` or `tanh`). The layout is TNC until [`layout`](Weights::layout) sets another.
    pub fn load(path: impl AsRef<Path>, activation: Option<Activation>) -> Result<Weights> {
        let path = path.as_ref();
        Weights::from_safetensors(&file::read(path)?, activation).map_err(file::in_file(path))
    }

    /// As [`load`](Weights::load), from memory.
    pub fn from_safetensors(bytes: &[u8], activation: Option<Activation>) -> Result<Weights> {
        let (_, metadata) = file::deserialize(bytes)?;
        // The metadata of other cells may hold what it will.
        let activation = || match (activation, metadata.get(ACTIVATION)) {
            (None, Some(name)) => name.parse().map(Some),
            (given, _) => Ok(given),
        };
        Weights::from_tensors_with(file::tensors_from(bytes)?, activation)
    }

    /// Writes a safetensors file, beside first and then into its place.
    pub fn save(&self, path: impl AsRef<Path>, naming: Naming) -> Result<()> {
        file::replace(path, &self.to_safetensors(naming)?)
    }

    /// As [`save`](Weights::save), into memory.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        let metadata = self
            .config
            .cell
            .activation()
            .map(|activation| file::Metadata::from([(ACTIVATION.into(), activation.name().into())]));
        file::to_safetensors(self.tensors(naming), metadata)
    }
}
