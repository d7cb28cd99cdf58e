//! The targets of predictions.

use crate::arrays::{from_js, option, sizes};
use crate::error::{Result, argument};
use js_sys::Reflect;
use ndarray::{Array2, Ix2, Ix3};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::train::Targets;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The targets of a batch's predictions; arrays are time first. */
export type Targets =
  /** A class for each sequence, N of them. */
  | ArrayLike<number> & Iterable<number>
  /** A class for each step, [T, N]. */
  | { classes: { data: ArrayLike<number> & Iterable<number>; shape: number[] } }
  /** Numbers for each sequence, [N, C], or for each step, [T, N, C]. */
  | { numbers: Array32 }
  /** A string of classes for each sequence, of a CTC loss. */
  | { labels: (ArrayLike<number> & Iterable<number>)[] };
"#;

const EXPECTED: &str = "classes, { classes }, { numbers } or { labels }";

pub fn from_value(value: &JsValue) -> Result<Targets> {
    if let Some(classes) = option(value, "classes") {
        let part = |key: &str| Reflect::get(&classes, &key.into()).unwrap_or(JsValue::UNDEFINED);
        let (data, shape) = (integers("targets.classes.data", &part("data"))?, part("shape"));
        let shape = sizes("targets.classes.shape", &shape)?;
        let (found, [steps, batch]) = (data.len(), <[usize; 2]>::try_from(shape).unwrap_or_default());
        let expected =
            || argument("targets.classes", "numbers of shape [T, N]", format_args!("{found} numbers"));
        return Ok(Targets::StepClasses(
            Array2::from_shape_vec((steps, batch), data).map_err(|_| expected())?,
        ));
    }
    if let Some(numbers) = option(value, "numbers") {
        let numbers = from_js("targets.numbers", &numbers)?;
        let axes = numbers.ndim();
        let refuse = |_| argument("targets.numbers", "two or three axes", axes);
        return match axes {
            2 => numbers.into_dimensionality::<Ix2>().map(Targets::Numbers).map_err(refuse),
            _ => numbers.into_dimensionality::<Ix3>().map(Targets::StepNumbers).map_err(refuse),
        };
    }
    if let Some(labels) = option(value, "labels") {
        let list = js_sys::try_iter(&labels).ok().flatten();
        let list = list.ok_or_else(|| argument("targets.labels", "an array of arrays", "another value"))?;
        let labels = list.map(|label| integers("targets.labels", &label.unwrap_or(JsValue::UNDEFINED)));
        return Ok(Targets::Labels(labels.collect::<Result<_>>()?));
    }
    integers("targets", value).map(Targets::Classes)
}

/// Whole numbers that may be below 0, as an ignored class is.
fn integers(name: &str, value: &JsValue) -> Result<Vec<i32>> {
    let list = js_sys::try_iter(value).ok().flatten();
    let list = list.ok_or_else(|| argument(name, EXPECTED, "another value"))?;
    list.map(|number| {
        let number = number.ok().and_then(|number| number.as_f64());
        let is_whole = |x: &f64| x.fract() == 0.0 && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(x);
        let number =
            number.filter(is_whole).ok_or_else(|| argument(name, "whole numbers", "another value"))?;
        Ok(number as i32)
    })
    .collect()
}
