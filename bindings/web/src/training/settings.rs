//! The options of a trainer.

use serde::Deserialize;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::Dropout;
use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Plateau, Reads, Schedule};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The layer that makes predictions from the network's outputs. */
export interface HeadOptions {
  /** The final states, the mean or the largest over time, or every step. */
  reads: "lastStates" | "mean" | "max" | "everyStep";
  /** C: numbers of a prediction. */
  outputs: number;
  /** The seed of its weights, 0 by default. */
  seed?: number;
}

export type LossOptions =
  | { kind: "crossEntropy"; classWeights?: number[]; ignored?: number; labelSmoothing?: number }
  | { kind: "binaryCrossEntropy"; positiveWeights?: number[] }
  | { kind: "meanSquared" }
  | { kind: "huber"; delta?: number }
  | { kind: "ctc"; blank?: number; zeroInfinity?: boolean };

/** The rules of torch.optim, with its defaults. */
export type OptimizerOptions =
  | { rule: "sgd"; learningRate: number; weightDecay?: number; momentum?: number; dampening?: number; nesterov?: boolean }
  | { rule: "adam" | "adamw"; learningRate: number; weightDecay?: number; betas?: [number, number]; epsilon?: number; amsgrad?: boolean }
  | { rule: "rmsprop"; learningRate: number; weightDecay?: number; alpha?: number; epsilon?: number; momentum?: number; centered?: boolean };

/** The learning rate over steps. */
export interface ScheduleOptions {
  /** Steps in which the learning rate grows to its own. */
  warmUp?: number;
  /** It is multiplied by a factor after so many steps. */
  step?: { every: number; factor: number };
  /** It falls to a minimum in so many steps. */
  cosine?: { steps: number; minimum?: number };
  /** It is multiplied by a factor when `observe` sees no better number. */
  plateau?: { patience?: number; factor?: number; threshold?: number; cooldown?: number; minimum?: number; maximize?: boolean };
}

export interface TrainerOptions {
  head: HeadOptions;
  loss: LossOptions;
  optimizer: OptimizerOptions;
  /** Gradients are clipped by their norm, or number by number. */
  clip?: { norm: number } | { value: number };
  schedule?: ScheduleOptions;
  dropout?: Dropout;
  /** Batches of an update, 1 by default. */
  accumulate?: number;
  /** Batches begin in the states in which those before ended. */
  carryStates?: boolean;
}
"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrainerOptions {
    pub head: HeadOptions,
    pub loss: LossOptions,
    pub optimizer: OptimizerOptions,
    pub clip: Option<ClipOptions>,
    pub schedule: Option<ScheduleOptions>,
    pub dropout: Option<DropoutOptions>,
    pub accumulate: Option<usize>,
    #[serde(default)]
    pub carry_states: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeadOptions {
    reads: ReadsOption,
    outputs: usize,
    #[serde(default)]
    seed: u64,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ReadsOption {
    LastStates,
    Mean,
    Max,
    EveryStep,
}

impl HeadOptions {
    pub fn head(&self) -> Head {
        let reads = match self.reads {
            ReadsOption::LastStates => Reads::LastStates,
            ReadsOption::Mean => Reads::Mean,
            ReadsOption::Max => Reads::Max,
            ReadsOption::EveryStep => Reads::EveryStep,
        };
        Head::new(reads, self.outputs).seed(self.seed)
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum LossOptions {
    CrossEntropy { class_weights: Option<Vec<f32>>, ignored: Option<i32>, label_smoothing: Option<f32> },
    BinaryCrossEntropy { positive_weights: Option<Vec<f32>> },
    MeanSquared {},
    Huber { delta: Option<f32> },
    Ctc { blank: Option<usize>, zero_infinity: Option<bool> },
}

impl LossOptions {
    pub fn loss(self) -> Loss {
        match self {
            LossOptions::CrossEntropy { class_weights, ignored, label_smoothing } => {
                let loss = set(Loss::cross_entropy(), class_weights, Loss::class_weights);
                set(set(loss, ignored, Loss::ignored), label_smoothing, Loss::label_smoothing)
            }
            LossOptions::BinaryCrossEntropy { positive_weights } => {
                set(Loss::binary_cross_entropy(), positive_weights, Loss::positive_weights)
            }
            LossOptions::MeanSquared {} => Loss::mean_squared(),
            // torch.nn.HuberLoss has 1.
            LossOptions::Huber { delta } => Loss::huber(delta.unwrap_or(1.0)),
            LossOptions::Ctc { blank, zero_infinity } => {
                let loss = Loss::ctc(blank.unwrap_or(0));
                if zero_infinity == Some(true) { loss.zero_infinity() } else { loss }
            }
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OptimizerOptions {
    rule: Rule,
    learning_rate: f64,
    weight_decay: Option<f64>,
    momentum: Option<f64>,
    dampening: Option<f64>,
    #[serde(default)]
    nesterov: bool,
    betas: Option<(f64, f64)>,
    epsilon: Option<f64>,
    #[serde(default)]
    amsgrad: bool,
    alpha: Option<f64>,
    #[serde(default)]
    centered: bool,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Rule {
    Sgd,
    Adam,
    Adamw,
    Rmsprop,
}

impl OptimizerOptions {
    /// A setting that the rule does not have is refused where the trainer is made.
    pub fn optimizer(&self) -> Optimizer {
        let optimizer = match self.rule {
            Rule::Sgd => Optimizer::sgd(self.learning_rate),
            Rule::Adam => Optimizer::adam(self.learning_rate),
            Rule::Adamw => Optimizer::adamw(self.learning_rate),
            Rule::Rmsprop => Optimizer::rmsprop(self.learning_rate),
        };
        let optimizer = set(optimizer, self.weight_decay, Optimizer::weight_decay);
        let optimizer = set(optimizer, self.momentum, Optimizer::momentum);
        let optimizer = set(optimizer, self.dampening, Optimizer::dampening);
        let optimizer =
            set(optimizer, self.betas, |optimizer, (first, second)| optimizer.betas(first, second));
        let optimizer = set(optimizer, self.epsilon, Optimizer::epsilon);
        let optimizer = set(optimizer, self.alpha, Optimizer::alpha);
        let optimizer = set(optimizer, self.nesterov.then_some(()), |optimizer, ()| optimizer.nesterov());
        let optimizer = set(optimizer, self.amsgrad.then_some(()), |optimizer, ()| optimizer.amsgrad());
        set(optimizer, self.centered.then_some(()), |optimizer, ()| optimizer.centered())
    }
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClipOptions {
    Norm(f64),
    Value(f64),
}

impl ClipOptions {
    pub fn clip(self) -> Clip {
        match self {
            ClipOptions::Norm(max) => Clip::norm(max),
            ClipOptions::Value(max) => Clip::value(max),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleOptions {
    warm_up: Option<u64>,
    step: Option<StepOptions>,
    cosine: Option<CosineOptions>,
    plateau: Option<PlateauOptions>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StepOptions {
    every: u64,
    factor: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CosineOptions {
    steps: u64,
    #[serde(default)]
    minimum: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlateauOptions {
    patience: Option<u64>,
    factor: Option<f64>,
    threshold: Option<f64>,
    cooldown: Option<u64>,
    minimum: Option<f64>,
    #[serde(default)]
    maximize: bool,
}

impl PlateauOptions {
    fn plateau(&self) -> Plateau {
        let plateau = set(Plateau::new(), self.patience, Plateau::patience);
        let plateau = set(plateau, self.factor, Plateau::factor);
        let plateau = set(plateau, self.threshold, Plateau::threshold);
        let plateau = set(plateau, self.cooldown, Plateau::cooldown);
        let plateau = set(plateau, self.minimum, Plateau::minimum);
        if self.maximize { plateau.maximize() } else { plateau }
    }
}

impl ScheduleOptions {
    /// None for several shapes at once.
    pub fn schedule(&self) -> Option<Schedule> {
        let schedule = match (&self.step, &self.cosine, &self.plateau) {
            (None, None, None) => Schedule::constant(),
            (Some(step), None, None) => Schedule::step(step.every, step.factor),
            (None, Some(cosine), None) => Schedule::cosine(cosine.steps, cosine.minimum),
            (None, None, Some(plateau)) => Schedule::plateau(plateau.plateau()),
            _ => return None,
        };
        Some(set(schedule, self.warm_up, Schedule::warm_up))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DropoutOptions {
    p: f32,
    #[serde(default)]
    seed: u64,
    #[serde(default)]
    variational: bool,
    #[serde(default)]
    call: u32,
}

impl DropoutOptions {
    pub fn dropout(&self) -> Dropout {
        let dropout = Dropout::new(self.p).seed(self.seed).call(self.call);
        if self.variational { dropout.variational() } else { dropout }
    }
}

/// A builder with a setting that may be left out.
fn set<B, T>(builder: B, setting: Option<T>, with: impl FnOnce(B, T) -> B) -> B {
    match setting {
        Some(setting) => with(builder, setting),
        None => builder,
    }
}
