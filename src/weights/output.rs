//! The kinds of files that weights are written as.

#[cfg(feature = "formats")]
mod others;

use super::formats::safetensors;
use super::metadata::entries;
use super::{Naming, Weights};
use crate::{Error, Result, io};
use std::path::Path;

/// The endings of names that tell a format.
const ENDINGS: &str = match cfg!(feature = "formats") {
    true => ".safetensors, .params, .npz or .onnx",
    false => ".safetensors",
};

/// A kind of file that weights are written as.
///
/// ```
/// use wgpu_rnn::file::Format;
/// use wgpu_rnn::{Config, Init, Naming, Weights};
///
/// # let folder = tempfile::tempdir()?;
/// let made = Weights::init(&Config::lstm(5).bidirectional().input_size(3), &Init::pytorch())?;
/// for name in ["model.safetensors", "model.params", "model.npz", "model.onnx"] {
///     let path = folder.path().join(name);
///     made.save(&path, Format::of(&path, Naming::PyTorch)?)?;
///     assert_eq!(Weights::load(&path)?, made);
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Format {
    /// Safetensors, with the options as metadata: every network can be held.
    Safetensors(Naming),
    /// MXNet's `.params` of version V2, as Gluon 1.x writes and reads them: a network that a layer of Gluon's
    /// can be.
    #[cfg(feature = "formats")]
    Params,
    /// An archive of NumPy's arrays (`.npz`): a network whose tensors tell it.
    #[cfg(feature = "formats")]
    Npz(Naming),
    /// A model of ONNX, with a node for each layer: a network without projection, layer normalisation,
    /// residual connections, a clip of the cell state, or directions that stay apart.
    #[cfg(feature = "formats")]
    Onnx,
}

impl From<Naming> for Format {
    fn from(naming: Naming) -> Format {
        Format::Safetensors(naming)
    }
}

impl Format {
    /// The format of a file by the ending of its name: `.safetensors`, `.params`, `.npz` or `.onnx`.
    ///
    /// # Errors
    /// [`Error::File`] for another ending.
    pub fn of(path: impl AsRef<Path>, naming: Naming) -> Result<Format> {
        let path = path.as_ref();
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Format::Safetensors(naming)),
            #[cfg(feature = "formats")]
            Some(ending) if let Some(other) = others::by_ending(ending, naming) => Ok(other),
            _ => {
                let reason = format!("expected a name that ends in {ENDINGS}");
                Err(Error::File { path: path.to_owned(), reason })
            }
        }
    }
}

impl Weights<f32> {
    /// Writes a file, beside first and then into its place.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be written, and the errors of [`to_bytes`](Weights::to_bytes).
    pub fn save(&self, path: impl AsRef<Path>, format: impl Into<Format>) -> Result<()> {
        io::replace(path, &self.to_bytes(format)?)
    }

    /// The bytes of the file that [`save`](Weights::save) writes.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a network that the format cannot hold, with the option that it cannot tell.
    pub fn to_bytes(&self, format: impl Into<Format>) -> Result<Vec<u8>> {
        let format = format.into();
        match format {
            Format::Safetensors(naming) => {
                safetensors::serialize(self.tensors(naming), &entries(self.config()))
            }
            #[cfg(feature = "formats")]
            other => self.to_other_bytes(other),
        }
    }

    /// The bytes of a safetensors file. Its metadata name the cells, and the options that are set.
    ///
    /// # Errors
    /// [`Error::Format`] for weights that the format cannot hold.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        self.to_bytes(naming)
    }
}
