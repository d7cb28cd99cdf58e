//! Errors as JavaScript has them: an `Error` with the library's sentence, and its variant as `code`.

use js_sys::{Error, Reflect};
use wasm_bindgen::JsValue;

pub type Result<T> = std::result::Result<T, JsValue>;

/// An error of the library.
pub fn of(error: wgpu_rnn::Error) -> JsValue {
    // `Shape { name: ... }`, `NoAdapter("...")`, `InputSizeOpen`.
    let variant = format!("{error:?}");
    let end = variant.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(variant.len());
    with_code(&error.to_string(), &variant[..end])
}

/// A value that is none of those that may be given.
pub fn argument(name: &str, expected: &str, found: impl std::fmt::Display) -> JsValue {
    with_code(&format!("{name}: expected {expected}, found {found}"), "Argument")
}

pub fn with_code(message: &str, code: &str) -> JsValue {
    let error = Error::new(message);
    // Objects can be given properties.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}
