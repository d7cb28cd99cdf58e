//! The training loop.

use super::settings::TrainerOptions;
use super::{read, targets};
use crate::arrays::{object, to_js};
use crate::error::{self, Result, argument};
use crate::rnn::{Given, Rnn};
use crate::turn::Turn;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::train::{self, Checkpoint, Report};

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

export interface LossValue {
  loss: number;
  rows: number;
  right: number;
}
"#;

/// Trains a network and a head on it, a batch at a time, where the network is computed.
#[wasm_bindgen]
pub struct Trainer(Turn<train::Trainer>);

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
        Ok(Trainer(Turn::new("trainer", trainer)))
    }

    /// Trains by a batch. The answer has the reports of updates that are done since the last call; on a GPU
    /// they come some steps later.
    #[wasm_bindgen(unchecked_return_type = "Report[]")]
    pub async fn step(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Targets")] targets: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue> {
        let (given, targets) = (Given::new(&input, &options)?, targets::from_value(&targets)?);
        let found = self.0.take()?.step_async(&given.call(), &targets).await;
        Ok(reports(&found.map_err(error::of)?))
    }

    /// The reports of all updates that were not given back yet, once they are done.
    #[wasm_bindgen(unchecked_return_type = "Report[]")]
    pub async fn finish(&self) -> Result<JsValue> {
        Ok(reports(&self.0.take()?.finish_async().await.map_err(error::of)?))
    }

    /// The predictions for an input, of shape [T, N, C]; T is 1 for one prediction of each sequence.
    #[wasm_bindgen(unchecked_return_type = "Array32")]
    pub async fn predict(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue> {
        let given = Given::new(&input, &options)?;
        Ok(to_js(&self.0.take()?.predict_async(&given.call()).await.map_err(error::of)?))
    }

    /// The loss of a batch, from which nothing is learnt.
    #[wasm_bindgen(unchecked_return_type = "LossValue")]
    pub async fn evaluate(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_param_type = "Targets")] targets: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue> {
        let (given, targets) = (Given::new(&input, &options)?, targets::from_value(&targets)?);
        let value = self.0.take()?.evaluate_async(&given.call(), &targets).await.map_err(error::of)?;
        Ok(object(&[("loss", value.loss.into()), ("rows", value.rows.into()), ("right", value.right.into())]))
    }

    /// Tells a schedule that waits for a plateau of a number, such as the loss of held-back data.
    pub fn observe(&self, metric: f64) -> Result<()> {
        self.0.take()?.observe(metric);
        Ok(())
    }

    /// Begins the next batch in zeros, or in the learned state, where states are carried.
    #[wasm_bindgen(js_name = resetStates)]
    pub fn reset_states(&self) -> Result<()> {
        self.0.take()?.reset_states();
        Ok(())
    }

    /// The adapter, or the CPU.
    #[wasm_bindgen(getter)]
    pub fn engine(&self) -> Result<String> {
        Ok(self.0.take()?.engine().name().to_owned())
    }

    /// The weights of the network and of the head as a safetensors file, by PyTorch's names. `Rnn.load` reads
    /// the network of it.
    pub async fn save(&self) -> Result<Vec<u8>> {
        self.0.take()?.to_safetensors_async().await.map_err(error::of)
    }

    /// The whole state as a file, from which a trainer that is made alike goes on with the same bits.
    pub async fn checkpoint(&self) -> Result<Vec<u8>> {
        let checkpoint = self.0.take()?.checkpoint_async(serde_json::Value::Null).await;
        checkpoint.and_then(|checkpoint| checkpoint.to_bytes()).map_err(error::of)
    }

    /// Goes on from a checkpoint.
    pub fn restore(&self, bytes: Vec<u8>) -> Result<()> {
        let checkpoint = Checkpoint::from_bytes(bytes).map_err(error::of)?;
        self.0.take()?.restore(&checkpoint).map(drop).map_err(error::of)
    }
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
