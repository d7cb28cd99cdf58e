//! Live streams through a network.

use crate::arrays::{from_js, option, to_js, whole};
use crate::error::{self, Result, argument};
use crate::promise::promise;
use crate::rnn::{Rnn, state_from, state_to};
use crate::turn::Turn;
use js_sys::{Array, Promise};
use ndarray::{Array2, Ix2};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsCast, JsValue};

/// Live streams through a network, whose states stay where it is computed. Calls take their turns.
#[wasm_bindgen]
pub struct Streams {
    turn: Turn<wgpu_rnn::Streams>,
    /// Streams that have joined, by number.
    joined: Rc<RefCell<HashMap<u32, wgpu_rnn::Stream>>>,
}

/// A stream that has joined.
#[wasm_bindgen]
pub struct Stream {
    stream: wgpu_rnn::Stream,
    number: u32,
}

#[wasm_bindgen]
impl Stream {
    /// The number of the stream, which no other stream of the page has.
    #[wasm_bindgen(getter)]
    pub fn number(&self) -> u32 {
        self.number
    }
}

thread_local! {
    /// Streams that have joined so far.
    static JOINED: Cell<u32> = const { Cell::new(0) };
}

#[wasm_bindgen]
impl Streams {
    /// Room for so many streams of a network at once.
    #[wasm_bindgen(unchecked_return_type = "Promise<Streams>")]
    pub fn open(rnn: &Rnn, capacity: f64) -> Promise {
        let rnn = rnn.0.clone();
        promise(whole("capacity", capacity).map(|capacity| async move {
            let streams = wgpu_rnn::Streams::new_async(rnn, capacity).await.map_err(error::of)?;
            Ok(Streams { turn: Turn::new(streams), joined: Rc::default() })
        }))
    }

    /// Begins a stream, in the learned state or in zeros.
    #[wasm_bindgen(unchecked_return_type = "Promise<Stream>")]
    pub fn join(&self) -> Promise {
        let (streams, joined) = (self.turn.clone(), self.joined.clone());
        promise(Ok(async move {
            let stream = streams.take().await.join_async().await.map_err(error::of)?;
            let number = JOINED.replace(JOINED.get().wrapping_add(1));
            joined.borrow_mut().insert(number, stream);
            Ok(Stream { stream, number })
        }))
    }

    /// Ends a stream.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn leave(&self, stream: &Stream) -> Promise {
        let (streams, joined) = (self.turn.clone(), self.joined.clone());
        let Stream { stream, number } = *stream;
        promise(Ok(async move {
            streams.take().await.leave(stream).map_err(error::of)?;
            joined.borrow_mut().remove(&number);
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// Begins a stream anew.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn reset(&self, stream: &Stream) -> Promise {
        let (streams, stream) = (self.turn.clone(), stream.stream);
        promise(Ok(async move {
            streams.take().await.reset_async(stream).await.map_err(error::of)?;
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// The state of a stream.
    #[wasm_bindgen(unchecked_return_type = "Promise<State>")]
    pub fn save(&self, stream: &Stream) -> Promise {
        let (streams, stream) = (self.turn.clone(), stream.stream);
        promise(Ok(async move {
            let state = streams.take().await.save_async(stream).await.map_err(error::of)?;
            Ok(state_to(&state))
        }))
    }

    /// Sets the state of a stream.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn load(
        &self,
        stream: &Stream,
        #[wasm_bindgen(unchecked_param_type = "State")] state: JsValue,
    ) -> Promise {
        let (streams, stream) = (self.turn.clone(), stream.stream);
        promise(state_from(&state).map(|state| async move {
            streams.take().await.load_async(stream, &state).await.map_err(error::of)?;
            Ok(JsValue::UNDEFINED)
        }))
    }

    /// Computes the next steps of a stream, of shape [T, I] with T from 1 to 16. The output has shape [T, C].
    #[wasm_bindgen(unchecked_return_type = "Promise<Array32>")]
    pub fn call(
        &self,
        stream: &Stream,
        #[wasm_bindgen(unchecked_param_type = "Array32")] steps: JsValue,
    ) -> Promise {
        let (streams, stream) = (self.turn.clone(), stream.stream);
        promise(two_axes(&steps).map(|steps| async move {
            let mut streams = streams.take().await;
            let outputs = streams.call_async(&[(stream, steps.view())]).await.map_err(error::of)?;
            Ok(to_js(&outputs[0]))
        }))
    }

    /// Computes the next steps of several streams at once, of shape [T, I] each; T may differ.
    #[wasm_bindgen(js_name = callAll, unchecked_return_type = "Promise<Array32[]>")]
    pub fn call_all(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Stream[]")] streams: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Array32[]")] steps: JsValue,
    ) -> Promise {
        let own = self.turn.clone();
        promise(self.pairs(&streams, &steps).map(|pairs| async move {
            let calls: Vec<_> = pairs.iter().map(|(stream, steps)| (*stream, steps.view())).collect();
            let outputs = own.take().await.call_async(&calls).await.map_err(error::of)?;
            Ok(outputs.iter().map(|output| to_js(output)).collect::<Array>())
        }))
    }
}

impl Streams {
    /// Streams with their steps.
    fn pairs(&self, streams: &JsValue, steps: &JsValue) -> Result<Vec<(wgpu_rnn::Stream, Array2<f32>)>> {
        let refuse = |name: &str| argument(name, "an array for each of the streams", "another value");
        let streams = streams.dyn_ref::<Array>().ok_or_else(|| refuse("streams"))?;
        let steps = steps.dyn_ref::<Array>().filter(|steps| steps.length() == streams.length());
        let steps = steps.ok_or_else(|| refuse("steps"))?;
        let joined = self.joined.borrow();
        let pair = |(stream, steps): (JsValue, JsValue)| {
            let number = option(&stream, "number").and_then(|number| number.as_f64());
            let stream = number.and_then(|number| joined.get(&(number as u32)));
            let stream = stream.ok_or_else(|| argument("streams", "those that have joined", "another"))?;
            Ok((*stream, two_axes(&steps)?))
        };
        streams.iter().zip(steps.iter()).map(pair).collect()
    }
}

/// The steps of a stream.
fn two_axes(steps: &JsValue) -> Result<Array2<f32>> {
    let steps = from_js("steps", steps)?.into_dimensionality::<Ix2>();
    steps.map_err(|_| argument("steps", "two axes", "others"))
}
