//! The network of a file's bytes.

use crate::error::{self, Result};
use wgpu_rnn::{Activation, Weights};

/// Reads a network; of a file with several, the one of this name.
pub fn read(bytes: &[u8], prefix: Option<String>, activation: Option<String>) -> Result<Weights> {
    let mut reader = Weights::reader().prefix(prefix);
    if let Some(activation) = activation {
        reader = reader.activation(activation.parse::<Activation>().map_err(error::of)?);
    }
    reader.from_bytes(bytes).map_err(error::of)
}
