//! Gradients and training: a module of its own, which a page loads when it trains.
//!
//! [`network`] makes and saves networks, [`gradients`] are those of a call, [`dataset`] has sequences and their
//! order, [`trainer`] the training loop, and [`settings`] its options.

mod dataset;
mod gradients;
mod network;
mod settings;
mod targets;
mod trainer;

use crate::error::{Result, argument, with_code};
use js_sys::JSON;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;

/// Options by their names. A name that is not known is refused.
fn read<T: DeserializeOwned>(name: &str, options: &JsValue) -> Result<T> {
    let text = JSON::stringify(options).ok().and_then(|text| text.as_string());
    let text = text.ok_or_else(|| argument(name, "an object", "another value"))?;
    // From a value, so that an error tells no place in a text that nobody has seen.
    let value: serde_json::Result<serde_json::Value> = serde_json::from_str(&text);
    let read = value.and_then(serde_json::from_value);
    read.map_err(|error| with_code(&format!("{name}: {error}"), "Argument"))
}
