//! Sequences with a class each, and the order in which they are learnt from.

use super::read;
use crate::arrays::{object, sizes, to_js, whole};
use crate::error::{self, Result};
use js_sys::{Int32Array, Uint32Array};
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** Sequences padded to the longest of them. */
export interface Batch {
  /** [T, N, I], with zeros past the end of a sequence. */
  input: Array32;
  /** Time steps of each sequence. */
  lengths: Uint32Array;
  /** The class of each sequence. */
  labels: Int32Array;
}

export interface LoaderOptions {
  /** Sequences of a batch. */
  batchSize: number;
  /** The seed of the orders, 0 by default. */
  seed?: number;
  /** False for the dataset's own order. */
  shuffle?: boolean;
  /** Sequences of so many batches are sorted by length before they are cut into batches; 1 by default. */
  buckets?: number;
  /** The rest of an epoch that is no whole batch is left out. */
  dropLast?: boolean;
}
"#;

/// Sequences with a class each.
#[wasm_bindgen]
pub struct Dataset(wgpu_rnn::train::Dataset);

#[wasm_bindgen]
impl Dataset {
    /// Reads a safetensors file: `x` [N, T, I] (or all steps one after the other), `length` [N] and
    /// `label` [N]. Batches are padded to a multiple of so many steps, 1 by default.
    pub fn read(
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | ArrayBuffer")] bytes: JsValue,
        #[wasm_bindgen(js_name = stepMultiple)] step_multiple: Option<f64>,
    ) -> Result<Dataset> {
        let bytes = crate::arrays::bytes("bytes", &bytes)?;
        let multiple = whole("stepMultiple", step_multiple.unwrap_or(1.0))?;
        let dataset = wgpu_rnn::train::Dataset::from_bytes(bytes).map_err(error::of)?;
        Ok(Dataset(dataset.step_multiple(multiple)))
    }

    /// The number of sequences.
    #[wasm_bindgen(getter)]
    pub fn length(&self) -> usize {
        self.0.len()
    }

    /// The features of every step, I.
    #[wasm_bindgen(getter)]
    pub fn features(&self) -> usize {
        self.0.features()
    }

    /// The number of classes.
    #[wasm_bindgen(getter)]
    pub fn classes(&self) -> usize {
        self.0.classes()
    }

    /// Time steps of each sequence.
    #[wasm_bindgen(getter)]
    pub fn lengths(&self) -> Vec<u32> {
        self.0.lengths().into_iter().map(|length| length as u32).collect()
    }

    /// The sequences of these places.
    #[wasm_bindgen(unchecked_return_type = "Batch")]
    pub fn batch(
        &self,
        #[wasm_bindgen(unchecked_param_type = "ArrayLike<number> & Iterable<number>")] places: JsValue,
    ) -> Result<JsValue> {
        let batch = self.0.batch(&sizes("places", &places)?).map_err(error::of)?;
        let lengths: Vec<u32> = batch.lengths.iter().map(|&length| length as u32).collect();
        Ok(object(&[
            ("input", to_js(&batch.input)),
            ("lengths", Uint32Array::from(&lengths[..]).into()),
            ("labels", Int32Array::from(&batch.labels[..]).into()),
        ]))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LoaderOptions {
    batch_size: usize,
    #[serde(default)]
    seed: u64,
    shuffle: Option<bool>,
    buckets: Option<usize>,
    #[serde(default)]
    drop_last: bool,
}

/// The batches of every epoch, as places of sequences in a dataset: the same on every machine.
#[wasm_bindgen]
pub struct Loader(wgpu_rnn::train::Loader);

#[wasm_bindgen]
impl Loader {
    /// Batches of a dataset's sequences.
    #[wasm_bindgen(constructor)]
    pub fn new(
        dataset: &Dataset,
        #[wasm_bindgen(unchecked_param_type = "LoaderOptions")] options: JsValue,
    ) -> Result<Loader> {
        let options: LoaderOptions = read("options", &options)?;
        let loader = wgpu_rnn::train::Loader::new(&dataset.0.lengths(), options.batch_size)
            .seed(options.seed)
            .shuffle(options.shuffle.unwrap_or(true))
            .buckets(options.buckets.unwrap_or(1))
            .drop_last(options.drop_last);
        loader.batches().map_err(error::of)?;
        Ok(Loader(loader))
    }

    /// The places of each batch of an epoch, from 0 on.
    #[wasm_bindgen(unchecked_return_type = "Uint32Array[]")]
    pub fn epoch(&self, epoch: f64) -> Result<js_sys::Array> {
        let batches = self.0.epoch(whole("epoch", epoch)? as u64).map_err(error::of)?;
        let places = |batch: &Vec<usize>| {
            let places: Vec<u32> = batch.iter().map(|&place| place as u32).collect();
            JsValue::from(Uint32Array::from(&places[..]))
        };
        Ok(batches.iter().map(places).collect())
    }
}
