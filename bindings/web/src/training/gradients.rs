//! The gradients of a call.

use super::settings::DropoutOptions;
use crate::arrays::{check_names, from_js, object, option, to_js};
use crate::error::{self, Result, argument};
use crate::promise::promise;
use crate::rnn::{CALL_OPTIONS, Given, Rnn, state_to, to_output};
use crate::turn::Turn;
use js_sys::Promise;
use ndarray::{Array3, ArrayRef3};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wgpu_rnn::{CallGradients, Naming, Output, OutputGradients};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The gradients of a loss by the arrays that a call gave; one that is left out is zero. */
export interface OutputGradients {
  /** By arrays of the result, in their shapes. */
  output?: Array32;
  outputReverse?: Array32;
  cellStates?: Array32;
  /** By the outputs of lower layers, from the lowest on. */
  lower?: Array32[];
  /** By the final states, in their shapes. */
  h?: Array32;
  c?: Array32;
}

/** The gradients of a loss by all that a call took. */
export interface CallGradients {
  input: Array32;
  /** By the initial state. */
  state: State;
  /** By the weights, under PyTorch's names. */
  weights: Record<string, Array32>;
}

/** Numbers between layers that become zero; the others are multiplied by 1 / (1 - p). */
export interface Dropout {
  /** The probability. */
  p: number;
  seed?: number;
  /** One mask for all time steps of a sequence. */
  variational?: boolean;
  /** The number of the call, each with masks of its own. A trainer counts its calls itself. */
  call?: number;
}
"#;

/// A call whose gradients can be asked for, once.
#[wasm_bindgen]
pub struct Saved {
    rnn: wgpu_rnn::Rnn,
    saved: Turn<wgpu_rnn::Saved>,
    output: Output,
}

#[wasm_bindgen]
impl Rnn {
    /// Computes as `forward` does, and keeps what the gradients need.
    #[wasm_bindgen(js_name = forwardSaved, unchecked_return_type = "Promise<Saved>")]
    pub fn forward_saved(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "Dropout")] dropout: JsValue,
    ) -> Promise {
        let rnn = self.0.clone();
        let read = || -> Result<(Given, Option<DropoutOptions>)> {
            let given = Given::new(&input, &options, &CALL_OPTIONS)?;
            let dropout = match dropout.is_undefined() || dropout.is_null() {
                true => None,
                false => Some(super::read("dropout", &dropout)?),
            };
            Ok((given, dropout))
        };
        promise(read().map(|(given, dropout)| async move {
            let mut call = given.call();
            if let Some(dropout) = dropout {
                call = call.dropout(dropout.dropout());
            }
            let (output, saved) = rnn.forward_saved_async(&call).await.map_err(error::of)?;
            Ok(Saved { rnn, saved: Turn::new(saved), output })
        }))
    }
}

#[wasm_bindgen]
impl Saved {
    /// The results of the call.
    #[wasm_bindgen(getter, unchecked_return_type = "Output")]
    pub fn result(&self) -> JsValue {
        to_output(&self.output)
    }

    /// Computes the gradients by input, initial state and weights. A call has them once.
    #[wasm_bindgen(unchecked_return_type = "Promise<CallGradients>")]
    pub fn backward(
        &self,
        #[wasm_bindgen(unchecked_param_type = "OutputGradients")] gradients: JsValue,
    ) -> Promise {
        let (rnn, saved) = (self.rnn.clone(), self.saved.clone());
        promise(Arrays::new(&gradients).map(|arrays| async move {
            let mut saved = saved.take().await;
            let found = rnn.backward_async(&mut saved, &arrays.given()).await.map_err(error::of)?;
            Ok(to_gradients(&found))
        }))
    }
}

/// The gradients by the arrays that a call gave.
struct Arrays {
    output: Option<Array3<f32>>,
    output_reverse: Option<Array3<f32>>,
    cell_states: Option<Array3<f32>>,
    lower: Vec<Array3<f32>>,
    h: Option<Array3<f32>>,
    c: Option<Array3<f32>>,
}

impl Arrays {
    fn new(gradients: &JsValue) -> Result<Arrays> {
        let known = ["output", "outputReverse", "cellStates", "lower", "h", "c"];
        check_names("gradients", gradients, &known)?;
        let part = |name: &str| option(gradients, name).map(|value| three_axes(name, &value)).transpose();
        let lower = option(gradients, "lower").unwrap_or_else(|| js_sys::Array::new().into());
        let lower = lower.dyn_into::<js_sys::Array>();
        let lower = lower.map_err(|_| argument("lower", "an array of arrays", "another value"))?;
        Ok(Arrays {
            output: part("output")?,
            output_reverse: part("outputReverse")?,
            cell_states: part("cellStates")?,
            lower: lower.iter().map(|value| three_axes("lower", &value)).collect::<Result<_>>()?,
            h: part("h")?,
            c: part("c")?,
        })
    }

    fn given(&self) -> OutputGradients<'_> {
        let mut given = OutputGradients::new();
        given = with(given, &self.output, OutputGradients::output);
        given = with(given, &self.output_reverse, OutputGradients::output_reverse);
        given = with(given, &self.cell_states, OutputGradients::cell_states);
        given = with(given, &self.h, OutputGradients::h_n);
        given = with(given, &self.c, OutputGradients::c_n);
        for (layer, gradient) in self.lower.iter().enumerate() {
            given = given.lower(layer, gradient);
        }
        given
    }
}

/// The gradients of a call, for JavaScript.
fn to_gradients(found: &CallGradients) -> JsValue {
    let weights: Vec<(String, JsValue)> =
        found.weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, to_js(&tensor))).collect();
    let weights: Vec<(&str, JsValue)> =
        weights.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    object(&[
        ("input", to_js(&found.input)),
        ("state", state_to(&found.state)),
        ("weights", object(&weights)),
    ])
}

/// An array of three axes.
fn three_axes(name: &str, value: &JsValue) -> Result<Array3<f32>> {
    from_js(name, value)?.into_dimensionality().map_err(|_| argument(name, "three axes", "others"))
}

/// Gradients with one more, if it is there.
fn with<'a>(
    given: OutputGradients<'a>,
    gradient: &'a Option<Array3<f32>>,
    set: impl FnOnce(OutputGradients<'a>, &'a ArrayRef3<f32>) -> OutputGradients<'a>,
) -> OutputGradients<'a> {
    match gradient {
        Some(gradient) => set(given, gradient),
        None => given,
    }
}
