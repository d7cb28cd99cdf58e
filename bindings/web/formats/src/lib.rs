//! Files of all kinds: a module of its own, which a page loads when it has such a file.

#[path = "../../src/arrays.rs"]
#[allow(dead_code, reason = "the other module uses all of it")]
mod arrays;
#[path = "../../src/error.rs"]
#[allow(dead_code, reason = "the other module uses all of it")]
mod error;
mod named;
#[path = "../../src/reader.rs"]
mod reader;

use error::Result;
use reader::read;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::Naming;

/// The network of a file as safetensors, whose metadata have its options.
#[wasm_bindgen(js_name = toSafetensors)]
pub fn to_safetensors(bytes: &[u8], prefix: Option<String>, activation: Option<String>) -> Result<Vec<u8>> {
    read(bytes, prefix, activation)?.to_safetensors(Naming::PyTorch).map_err(error::of)
}
