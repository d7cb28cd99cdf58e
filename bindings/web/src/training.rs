//! Gradients and training: a module of its own, which a page loads when it trains.
//!
//! [`network`] makes and saves networks, [`gradients`] are those of a call, [`dataset`] has sequences and
//! their order, [`trainer`] the training loop, and [`settings`] its options.

mod dataset;
mod gradients;
mod network;
mod settings;
mod targets;
mod trainer;

use crate::error::{Result, argument, with_code};
use serde::de::DeserializeOwned;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

// JSON has neither NaN nor infinities: as texts they are refused by the name of their option.
#[wasm_bindgen(inline_js = r#"
export function text_of(options) {
  if (options === null || typeof options !== "object" || Array.isArray(options) || options instanceof Map) return undefined;
  return JSON.stringify(options, (_, value) => (typeof value === "number" && !Number.isFinite(value) ? String(value) : value));
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    fn text_of(options: &JsValue) -> Result<Option<String>>;
}

/// Options by their names. A name that is not known is refused.
fn read<T: DeserializeOwned>(name: &str, options: &JsValue) -> Result<T> {
    let text = text_of(options).ok().flatten();
    let text = text.ok_or_else(|| argument(name, "an object", "another value"))?;
    let refuse = |place: &str, error: serde_json::Error| {
        let place = if place == "." { name.to_owned() } else { format!("{name}.{place}") };
        with_code(&format!("{place}: {error}"), "Argument")
    };
    // From a value, so that an error tells no place in a text that nobody has seen.
    let value: serde_json::Value = serde_json::from_str(&text).map_err(|error| refuse(".", error))?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let place = error.path().to_string();
        refuse(&place, error.into_inner())
    })
}
