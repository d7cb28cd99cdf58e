//! The file formats that weights are read from, one module each.

pub(crate) mod safetensors;

use super::metadata::Metadata;
use crate::Result;
use ndarray::ArrayD;
use std::collections::BTreeMap;

/// The contents of a file of any format, brought to PyTorch's or Gluon's names.
pub(super) struct Contents {
    pub tensors: BTreeMap<String, ArrayD<f32>>,
    pub metadata: Metadata,
}

/// Reads a file of any format; there is one today.
pub(super) fn read(bytes: &[u8]) -> Result<Contents> {
    let file = safetensors::Safetensors::parse(bytes)?;
    Ok(Contents { tensors: file.all_f32()?, metadata: Metadata::parse(file.metadata())? })
}
