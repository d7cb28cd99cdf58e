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

use crate::error::{Result, with_code};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;

/// Options by their names. A name that is not known is refused.
fn read<T: DeserializeOwned>(name: &str, options: JsValue) -> Result<T> {
    // An object without properties stands for options that are left out.
    let options = if options.is_undefined() { js_sys::Object::new().into() } else { options };
    serde_wasm_bindgen::from_value(options)
        .map_err(|error| with_code(&format!("{name}: {}", error_text(&error)), "Argument"))
}

/// The text of an error, without the name of its class.
fn error_text(error: &serde_wasm_bindgen::Error) -> String {
    let text = error.to_string();
    text.strip_prefix("Error: ").unwrap_or(&text).to_owned()
}

/// A value for JavaScript, whose maps are objects.
fn write(value: &impl Serialize) -> Result<JsValue> {
    let serializer = serde_wasm_bindgen::Serializer::json_compatible();
    value.serialize(&serializer).map_err(|error| with_code(&error_text(&error), "Argument"))
}
