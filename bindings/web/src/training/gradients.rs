//! The gradients of a call.

use super::settings::DropoutOptions;
use crate::arrays::{check_names, from_js, object, option, to_js};
use crate::error::{self, Result, argument};
use crate::rnn::{Given, Rnn, state_to, to_output};
use crate::turn::Turn;
use ndarray::{Array3, ArrayRef3};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};
use wgpu_rnn::{Naming, Output, OutputGradients};

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
    #[wasm_bindgen(js_name = forwardSaved)]
    pub async fn forward_saved(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "Dropout")] dropout: JsValue,
    ) -> Result<Saved> {
        let given = Given::new(&input, &options)?;
        let mut call = given.call();
        if !dropout.is_undefined() {
            let dropout: DropoutOptions = super::read("dropout", &dropout)?;
            call = call.dropout(dropout.dropout());
        }
        let (output, saved) = self.0.forward_saved_async(&call).await.map_err(error::of)?;
        Ok(Saved { rnn: self.0.clone(), saved: Turn::new("saved", saved), output })
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
    #[wasm_bindgen(unchecked_return_type = "CallGradients")]
    pub async fn backward(
        &self,
        #[wasm_bindgen(unchecked_param_type = "OutputGradients")] gradients: JsValue,
    ) -> Result<JsValue> {
        check_names(&gradients, &["output", "outputReverse", "cellStates", "lower", "h", "c"])?;
        let part = |name: &str| option(&gradients, name).map(|value| three_axes(name, &value)).transpose();
        let [output, reverse, cell_states] = [part("output")?, part("outputReverse")?, part("cellStates")?];
        let [h, c] = [part("h")?, part("c")?];
        let lower = option(&gradients, "lower").unwrap_or_else(|| js_sys::Array::new().into());
        let lower = lower.dyn_into::<js_sys::Array>();
        let lower = lower.map_err(|_| argument("lower", "an array of arrays", "another value"))?;
        let lower: Result<Vec<Array3<f32>>> = lower.iter().map(|value| three_axes("lower", &value)).collect();
        let lower = lower?;
        let mut given = OutputGradients::new();
        given = with(given, &output, OutputGradients::output);
        given = with(given, &reverse, OutputGradients::output_reverse);
        given = with(given, &cell_states, OutputGradients::cell_states);
        given = with(given, &h, OutputGradients::h_n);
        given = with(given, &c, OutputGradients::c_n);
        for (layer, gradient) in lower.iter().enumerate() {
            given = given.lower(layer, gradient);
        }
        let mut saved = self.saved.take()?;
        let found = self.rnn.backward_async(&mut saved, &given).await.map_err(error::of)?;
        let weights: Vec<(String, JsValue)> =
            found.weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, to_js(&tensor))).collect();
        let weights: Vec<(&str, JsValue)> =
            weights.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        Ok(object(&[
            ("input", to_js(&found.input)),
            ("state", state_to(&found.state)),
            ("weights", object(&weights)),
        ]))
    }
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
