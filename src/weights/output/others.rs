//! Files of other kinds than safetensors, which hold some networks.

use super::Format;
use crate::weights::formats::{npy, onnx, params};
use crate::weights::metadata::{entries, settings};
use crate::weights::names::TensorKind;
use crate::weights::{Naming, TensorName, Weights};
use crate::{Directions, Error, Merge, Result};
use ndarray::ArrayViewD;

/// The format of an ending.
pub(super) fn by_ending(ending: &str, naming: Naming) -> Option<Format> {
    match ending {
        "params" => Some(Format::Params),
        "npz" => Some(Format::Npz(naming)),
        "onnx" => Some(Format::Onnx),
        _ => None,
    }
}

impl Format {
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
    /// The bytes of a file that holds some networks.
    pub(super) fn to_other_bytes(&self, format: Format) -> Result<Vec<u8>> {
        self.check_format(format)?;
        match format {
            Format::Safetensors(naming) => self.to_safetensors(naming),
            Format::Params => Ok(params::serialize(self.tensors_of_gluon())),
            Format::Npz(naming) => Ok(npy::serialize(self.tensors(naming))),
            Format::Onnx => onnx::serialize(self.config(), self.params()),
        }
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
        // A reader is told one activation, for all layers that are vanilla RNNs.
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
