//! The training loop.

use super::settings::TrainerOptions;
use super::{read, targets};
use crate::arrays::{object, to_js};
use crate::error::{self, Result, argument};
use crate::promise::promise;
use crate::rnn::{Given, Rnn};
use crate::turn::Turn;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::train::{self, Checkpoint, Report, Targets};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** An update of the parameters. */
export interface Report {
  /** The number of the update; the first is 1. */
  step: number;
  /** The mean over the rows of all accumulated batches. */
  loss: number;
  rows: number;
  /** Rows whose prediction is right. */
  right: number;
  /** The norm of all gradients before clipping. */
  norm: number;
  learningRate: number;
}

/** What a batch takes beside its input. */
export type BatchOptions = Pick<CallOptions, "lengths" | "state">;

export interface LossValue {
  loss: number;
  rows: number;
  right: number;
}
"#;

/// Trains a network and a head on it, a batch at a time, where the network is computed. Calls take their
/// turns.
#[wasm_bindgen]
pub struct Trainer {
    turn: Turn<train::Trainer>,
    engine: String,
}

/// The options of a batch: its outputs are the trainer's.
const BATCH_OPTIONS: [&str; 2] = ["lengths", "state"];

#[wasm_bindgen]
impl Trainer {
    /// A trainer with a network of its own, which begins as a copy of this one.
    #[wasm_bindgen(constructor)]
    pub fn new(
        rnn: &Rnn,
        #[wasm_bindgen(unchecked_param_type = "TrainerOptions")] options: JsValue,
    ) -> Result<Trainer> {
        let options: TrainerOptions = read("options", &options)?;
        let (head, loss) = (options.head.head(), options.loss.loss());
        let make = || {
            let mut trainer = train::Trainer::new(rnn.0.clone(), head, loss, options.optimizer.optimizer())?;
            if let Some(clip) = options.clip {
                trainer = trainer.clip(clip.clip())?;
            }
            if let Some(dropout) = &options.dropout {
                trainer = trainer.dropout(dropout.dropout())?;
            }
            if let Some(batches) = options.accumulate {
                trainer = trainer.accumulate(batches)?;
            }
            Ok(if options.carry_states { trainer.carry_states() } else { trainer })
        };
        let mut trainer = make().map_err(error::of)?;
        if let Some(schedule) = &options.schedule {
            let refuse = || argument("schedule", "one of step, cosine and plateau", "several");
            trainer = trainer.schedule(schedule.schedule().ok_or_else(refuse)?).map_err(error::of)?;
        }
        let engine = trainer.engine().name().to_owned();
        Ok(Trainer { turn: Turn::new(trainer), engine })
    }

    /// Trains by a batch. The answer has the reports of updates that are done since the last call; on a GPU
    /// they come some steps later.
    #[wasm_bindgen(unchecked_return_type = "Promise<Report[]>")]
    pub fn step(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Targets")] targets: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "BatchOptions")] options: JsValue,
    ) -> Promise {
        let turn = self.turn.clone();
        promise(batch(&input, &targets, &options).map(|(given, targets)| async move {
            let found = turn.take().await.step_async(&given.call(), &targets).await;
            Ok(reports(&found.map_err(error::of)?))
        }))
    }

    /// The reports of all updates that were not given back yet, once they are done.
    #[wasm_bindgen(unchecked_return_type = "Promise<Report[]>")]
    pub fn finish(&self) -> Promise {
        self.then(async |trainer| Ok(reports(&trainer.finish_async().await?)))
    }

    /// The predictions for an input, of shape [T, N, C]; T is 1 for one prediction of each sequence.
    #[wasm_bindgen(unchecked_return_type = "Promise<Array32>")]
    pub fn predict(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "BatchOptions")] options: JsValue,
    ) -> Promise {
        let turn = self.turn.clone();
        promise(Given::new(&input, &options, &BATCH_OPTIONS).map(|given| async move {
            Ok(to_js(&turn.take().await.predict_async(&given.call()).await.map_err(error::of)?))
        }))
    }

    /// The loss of a batch, from which nothing is learnt.
    #[wasm_bindgen(unchecked_return_type = "Promise<LossValue>")]
    pub fn evaluate(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Targets")] targets: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "BatchOptions")] options: JsValue,
    ) -> Promise {
        let turn = self.turn.clone();
        promise(batch(&input, &targets, &options).map(|(given, targets)| async move {
            let value = turn.take().await.evaluate_async(&given.call(), &targets).await.map_err(error::of)?;
            Ok(object(&[
                ("loss", value.loss.into()),
                ("rows", value.rows.into()),
                ("right", value.right.into()),
            ]))
        }))
    }

    /// Tells a schedule that waits for a plateau of a number, such as the loss of held-back data.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn observe(&self, metric: f64) -> Promise {
        self.then(async move |trainer| {
            trainer.observe(metric);
            Ok(JsValue::UNDEFINED)
        })
    }

    /// Begins the next batch in zeros, or in the learned state, where states are carried.
    #[wasm_bindgen(js_name = resetStates, unchecked_return_type = "Promise<void>")]
    pub fn reset_states(&self) -> Promise {
        self.then(async |trainer| {
            trainer.reset_states();
            Ok(JsValue::UNDEFINED)
        })
    }

    /// The adapter, or the CPU.
    #[wasm_bindgen(getter)]
    pub fn engine(&self) -> String {
        self.engine.clone()
    }

    /// The weights of the network and of the head as a safetensors file, by PyTorch's names. `Rnn.load` reads
    /// the network of it.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn save(&self) -> Promise {
        self.then(async |trainer| Ok(Uint8Array::from(&trainer.to_safetensors_async().await?[..]).into()))
    }

    /// The whole state as a file, from which a trainer that is made alike goes on with the same bits.
    #[wasm_bindgen(unchecked_return_type = "Promise<Uint8Array>")]
    pub fn checkpoint(&self) -> Promise {
        self.then(async |trainer| {
            let checkpoint = trainer.checkpoint_async(serde_json::Value::Null).await?;
            Ok(Uint8Array::from(&checkpoint.to_bytes()?[..]).into())
        })
    }

    /// Goes on from a checkpoint.
    #[wasm_bindgen(unchecked_return_type = "Promise<void>")]
    pub fn restore(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | ArrayBuffer")] bytes: JsValue,
    ) -> Promise {
        let turn = self.turn.clone();
        promise(crate::arrays::bytes("bytes", &bytes).map(|bytes| async move {
            let checkpoint = Checkpoint::from_bytes(bytes).map_err(error::of)?;
            turn.take().await.restore(&checkpoint).map_err(error::of)?;
            Ok(JsValue::UNDEFINED)
        }))
    }
}

impl Trainer {
    /// The promise of what a function does with the trainer, in its turn.
    fn then<F>(&self, work: F) -> Promise
    where
        F: AsyncFnOnce(&mut train::Trainer) -> wgpu_rnn::Result<JsValue> + 'static,
    {
        let turn = self.turn.clone();
        promise(Ok(async move { work(&mut *turn.take().await).await.map_err(error::of) }))
    }
}

/// A batch, and its targets.
fn batch(input: &JsValue, targets: &JsValue, options: &JsValue) -> Result<(Given, Targets)> {
    Ok((Given::new(input, options, &BATCH_OPTIONS)?, targets::from_value(targets)?))
}

fn reports(reports: &[Report]) -> JsValue {
    let report = |of: &Report| {
        object(&[
            // 2^53 steps are never taken.
            ("step", (of.step as f64).into()),
            ("loss", of.loss.into()),
            ("rows", of.rows.into()),
            ("right", of.right.into()),
            ("norm", of.norm.into()),
            ("learningRate", of.learning_rate.into()),
        ])
    };
    reports.iter().map(report).collect::<js_sys::Array>().into()
}
