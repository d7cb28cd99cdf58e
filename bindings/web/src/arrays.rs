//! The arrays that cross between JavaScript and Rust: numbers in a `Float32Array`, and a shape.

use crate::error::{Result, argument};
use js_sys::{Array, ArrayBuffer, Float32Array, Map, Object, Reflect, Uint8Array};
use ndarray::{ArrayD, ArrayRef, Dimension};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Numbers in C order, so that the last axis changes fastest, with their shape. */
export interface Array32 {
  data: Float32Array;
  shape: number[];
}
"#;

// Properties by getters and setters: their names are made once, and not at every call.
#[wasm_bindgen]
extern "C" {
    /// The interface of that name.
    type Array32;
    #[wasm_bindgen(catch, method, getter)]
    fn data(this: &Array32) -> Result<JsValue>;
    #[wasm_bindgen(catch, method, getter)]
    fn shape(this: &Array32) -> Result<JsValue>;
    #[wasm_bindgen(method, setter)]
    fn set_data(this: &Array32, data: Float32Array);
    #[wasm_bindgen(method, setter)]
    fn set_shape(this: &Array32, shape: Array);
}

/// An array of an option or an argument.
pub fn from_js(name: &str, value: &JsValue) -> Result<ArrayD<f32>> {
    let value: &Array32 = value.unchecked_ref();
    let data = value.data().and_then(|data| data.dyn_into::<Float32Array>());
    let data =
        data.map_err(|_| argument(name, "{ data: Float32Array, shape: number[] }", "another value"))?;
    let shape = sizes_of(|| format!("{name}.shape"), &value.shape().unwrap_or(JsValue::UNDEFINED))?;
    let found = data.length();
    // The numbers of an array that was transferred away, of length 0, cannot be copied.
    let numbers = if found == 0 { Vec::new() } else { data.to_vec() };
    ArrayD::from_shape_vec(&shape[..], numbers)
        .map_err(|_| argument(name, &format!("numbers of shape {shape:?}"), format_args!("{found} numbers")))
}

/// The bytes of a file.
pub fn bytes(name: &str, value: &JsValue) -> Result<Vec<u8>> {
    let array = match value.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => Uint8Array::new(buffer),
        None => {
            let refuse = || argument(name, "a Uint8Array or an ArrayBuffer", kind(value));
            value.dyn_ref::<Uint8Array>().cloned().ok_or_else(refuse)?
        }
    };
    Ok(if array.length() == 0 { Vec::new() } else { array.to_vec() })
}

/// The kind of a value, for errors.
fn kind(value: &JsValue) -> String {
    value.js_typeof().as_string().unwrap_or_default()
}

/// A whole number from 0 on.
pub fn whole(name: &str, number: f64) -> Result<usize> {
    let is_whole = number.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&number);
    if is_whole { Ok(number as usize) } else { Err(argument(name, "a whole number", number)) }
}

/// Sizes or lengths: whole numbers from 0 on.
pub fn sizes(name: &str, value: &JsValue) -> Result<Vec<usize>> {
    sizes_of(|| name.to_owned(), value)
}

fn sizes_of(name: impl Fn() -> String, value: &JsValue) -> Result<Vec<usize>> {
    let refuse = || argument(&name(), "an array of whole numbers", "another value");
    let list = match value.dyn_ref::<Array>() {
        Some(list) => list.clone(),
        None => {
            let list = js_sys::try_iter(value).ok().flatten().ok_or_else(refuse)?;
            list.collect::<Result<Array>>().map_err(|_| refuse())?
        }
    };
    let size = |number: JsValue| whole(&name(), number.as_f64().ok_or_else(refuse)?);
    (0..list.length()).map(|at| size(list.get(at))).collect()
}

/// An array for JavaScript.
pub fn to_js<D: Dimension>(array: &ArrayRef<f32, D>) -> JsValue {
    let standard = array.as_standard_layout();
    let object = Object::new().unchecked_into::<Array32>();
    object.set_data(Float32Array::from(standard.as_slice().unwrap_or_default()));
    object.set_shape(array.shape().iter().map(|&size| JsValue::from(size as u32)).collect());
    object.into()
}

/// An object with these properties.
pub fn object(properties: &[(&str, JsValue)]) -> JsValue {
    let object = Object::new();
    for (name, value) in properties {
        // Objects can be given properties.
        let _ = Reflect::set(&object, &(*name).into(), value);
    }
    object.into()
}

/// A property that may be left out.
pub fn option(options: &JsValue, name: &str) -> Option<JsValue> {
    if !options.is_object() {
        return None;
    }
    Reflect::get(options, &name.into()).ok().filter(|value| !value.is_undefined() && !value.is_null())
}

/// An option that is on or off, and off by default.
pub fn flag(options: &JsValue, name: &str) -> Result<bool> {
    let Some(value) = option(options, name) else { return Ok(false) };
    value.as_bool().ok_or_else(|| argument(name, "true or false", kind(&value)))
}

/// Refuses names of options that there are not.
pub fn check_names(what: &str, options: &JsValue, known: &[&str]) -> Result<()> {
    if options.is_undefined() || options.is_null() {
        return Ok(());
    }
    let object =
        options.dyn_ref::<Object>().filter(|object| !Array::is_array(object) && !object.has_type::<Map>());
    let object = object.ok_or_else(|| argument(what, "an object", kind(options)))?;
    for name in Object::keys(object) {
        let name = name.as_string().unwrap_or_default();
        if !known.contains(&name.as_str()) {
            return Err(argument(what, &known.join(", "), name));
        }
    }
    Ok(())
}
