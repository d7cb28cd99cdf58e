//! Live streams through a network.

use crate::arrays::{from_js, to_js};
use crate::error::{self, Result, argument};
use crate::rnn::{Rnn, state_from, state_to};
use crate::turn::Turn;
use ndarray::Ix2;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

/// Live streams through a network, whose states stay where it is computed.
#[wasm_bindgen]
pub struct Streams(Turn<wgpu_rnn::Streams>);

/// A stream that has joined.
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub struct Stream(wgpu_rnn::Stream);

#[wasm_bindgen]
impl Streams {
    /// Room for so many streams of a network at once.
    pub async fn open(rnn: &Rnn, capacity: usize) -> Result<Streams> {
        let streams = wgpu_rnn::Streams::new_async(rnn.0.clone(), capacity).await.map_err(error::of)?;
        Ok(Streams(Turn::new("streams", streams)))
    }

    /// Begins a stream, in the learned state or in zeros.
    pub async fn join(&self) -> Result<Stream> {
        self.0.take()?.join_async().await.map(Stream).map_err(error::of)
    }

    /// Ends a stream.
    pub fn leave(&self, stream: &Stream) -> Result<()> {
        self.0.take()?.leave(stream.0).map_err(error::of)
    }

    /// Begins a stream anew.
    pub async fn reset(&self, stream: &Stream) -> Result<()> {
        self.0.take()?.reset_async(stream.0).await.map_err(error::of)
    }

    /// The state of a stream.
    #[wasm_bindgen(unchecked_return_type = "State")]
    pub async fn save(&self, stream: &Stream) -> Result<JsValue> {
        let state = self.0.take()?.save_async(stream.0).await.map_err(error::of)?;
        Ok(state_to(&state))
    }

    /// Sets the state of a stream.
    pub async fn load(
        &self,
        stream: &Stream,
        #[wasm_bindgen(unchecked_param_type = "State")] state: JsValue,
    ) -> Result<()> {
        let state = state_from(&state)?;
        self.0.take()?.load_async(stream.0, &state).await.map_err(error::of)
    }

    /// Computes the next steps of a stream, of shape [T, I] with T from 1 to 16. The output has shape [T, C].
    #[wasm_bindgen(unchecked_return_type = "Array32")]
    pub async fn call(
        &self,
        stream: &Stream,
        #[wasm_bindgen(unchecked_param_type = "Array32")] steps: JsValue,
    ) -> Result<JsValue> {
        let steps = from_js("steps", &steps)?.into_dimensionality::<Ix2>();
        let steps = steps.map_err(|_| argument("steps", "two axes", "others"))?;
        let outputs = self.0.take()?.call_async(&[(stream.0, steps.view())]).await.map_err(error::of)?;
        Ok(to_js(&outputs[0]))
    }
}
