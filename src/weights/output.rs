//! The kinds of files that weights are written as.

use super::formats::{npy, onnx, params, safetensors};
use super::metadata::{entries, settings};
use super::names::TensorKind;
use super::{Naming, TensorName, Weights};
use crate::{Directions, Error, Merge, Result, io};
use ndarray::ArrayViewD;
use std::path::Path;

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
    Params,
    /// An archive of NumPy's arrays (`.npz`): a network whose tensors tell it.
    Npz(Naming),
    /// A model of ONNX, with a node for each layer: a network without projection, layer normalisation,
    /// residual connections, a clip of the cell state, or directions that stay apart.
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
            Some("params") => Ok(Format::Params),
            Some("npz") => Ok(Format::Npz(naming)),
            Some("onnx") => Ok(Format::Onnx),
            _ => {
                let reason = "expected a name that ends in .safetensors, .params, .npz or .onnx".into();
                Err(Error::File { path: path.to_owned(), reason })
            }
        }
    }

    const fn ending(self) -> &'static str {
        match self {
            Format::Safetensors(_) => ".safetensors",
            Format::Params => ".params",
            Format::Npz(_) => ".npz",
            Format::Onnx => ".onnx",
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
        self.check_format(format)?;
        match format {
            Format::Safetensors(naming) => {
                safetensors::serialize(self.tensors(naming), &entries(self.config()))
            }
            Format::Params => Ok(params::serialize(self.tensors_of_gluon())),
            Format::Npz(naming) => Ok(npy::serialize(self.tensors(naming))),
            Format::Onnx => onnx::serialize(self.config(), self.params()),
        }
    }

    /// The bytes of a safetensors file. Its metadata name the cells, and the options that are set.
    ///
    /// # Errors
    /// [`Error::Format`] for weights that the format cannot hold.
    pub fn to_safetensors(&self, naming: Naming) -> Result<Vec<u8>> {
        self.to_bytes(naming)
    }

    /// The tensors under the names that Gluon's `save_parameters` gives them.
    fn tensors_of_gluon(&self) -> impl Iterator<Item = (String, ArrayViewD<'_, f32>)> {
        let both = self.config().directions == Directions::Both;
        let name = move |TensorName { layer, direction, kind }| {
            let side = if both { ["l_cell.", "r_cell."][direction] } else { "" };
            format!("_unfused.{layer}.{side}{}", kind.name(Naming::Gluon))
        };
        let params = self.params();
        params.table.entries.iter().map(move |entry| (name(entry.name), params.view(entry)))
    }

    /// Refuses an option that a file of the format does not tell.
    fn check_format(&self, format: Format) -> Result<()> {
        if matches!(format, Format::Safetensors(_)) {
            return Ok(());
        }
        let refuse = |name: &'static str, found: String| {
            let expected = format!(
                "a format that tells this option (.safetensors), for {} has no place for it",
                format.ending()
            );
            Err(Error::Unsupported { name, expected, found })
        };
        let config = self.config();
        if format == Format::Onnx {
            for (name, is_set) in [
                ("proj_size", config.proj_size > 0),
                ("layer_norm", config.layer_norm),
                ("residual", config.residual),
                ("cell_clip", config.cell_clip.is_some()),
                ("merge", config.merge == Merge::Apart),
            ] {
                if is_set {
                    return refuse(name, settings(config).remove(name).unwrap_or_default());
                }
            }
            return Ok(());
        }
        for (name, found) in entries(config) {
            // Shapes tell the cells, but for the activation of a vanilla RNN; the layout is no weight's.
            if !matches!(name, "cells" | "layout") {
                return refuse(name, found);
            }
        }
        // Of a vanilla RNN's activation a reader is told one, for all layers.
        let own = config.layers_that_differ().filter_map(|layer| config.cell_of(layer).0.activation());
        let mut own = own.map(|activation| activation.to_string()).collect::<Vec<_>>();
        own.dedup();
        if own.len() > 1 || own.iter().any(|name| !matches!(name.as_str(), "relu" | "tanh")) {
            return refuse("activations", own.join(", "));
        }
        if format == Format::Params {
            let has = |kind| self.params().table.entries.iter().any(|entry| entry.name.kind == kind);
            for (name, is_set) in [
                ("stack", !config.stack.is_empty()),
                ("bias", !config.bias),
                ("peepholes", has(TensorKind::Peephole)),
                ("layer_norm", has(TensorKind::NormIhWeight)),
                ("learned_state", has(TensorKind::InitialH)),
            ] {
                if is_set {
                    return refuse(name, if name == "bias" { "none" } else { "some" }.into());
                }
            }
        }
        Ok(())
    }
}
