//! The training of one network.

use crate::adding::{FEATURES, sequences};
use crate::choices::Cell;
use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Schedule, Targets, Trainer};
use wgpu_rnn::{Call, Engine, Init, Result, Rnn};

/// The norm that gradients are clipped to.
const NORM: f64 = 1.0;

/// Batches of the test have numbers from here on, beyond those of the training.
const TEST: u64 = 1 << 32;

/// Batches of the test.
const TEST_BATCHES: u64 = 8;

/// The settings that all cells have in common.
pub struct Settings {
    pub hidden: usize,
    pub steps: usize,
    pub batch: usize,
    pub updates: u64,
    pub seed: u64,
    pub learning_rate: f64,
}

/// Trains a network on fresh sequences, and tells the error of each update to `watch`; its mean squared error
/// on sequences of the test.
pub fn learn(
    settings: &Settings,
    cell: Cell,
    engine: &Engine,
    mut watch: impl FnMut(u64, f64),
) -> Result<f64> {
    let &Settings { hidden, steps, batch, updates, seed, learning_rate } = settings;
    let config = cell.config(hidden).bidirectional().input_size(FEATURES);
    let rnn = Rnn::lazy(engine, &config, Init::pytorch().seed(seed))?;
    let head = Head::every_step(1).seed(seed);
    let mut trainer = Trainer::new(rnn, head, Loss::mean_squared(), Optimizer::adam(learning_rate))?
        .clip(Clip::norm(NORM))?
        .schedule(Schedule::cosine(updates, learning_rate / 20.0))?;
    for update in 0..updates {
        let batch = sequences(seed, update, steps, batch);
        let reports = trainer.step(&Call::new(&batch.input), &Targets::StepNumbers(batch.answers))?;
        reports.iter().for_each(|report| watch(report.step, report.loss));
    }
    trainer.finish()?.iter().for_each(|report| watch(report.step, report.loss));
    let mut sum = 0.0;
    for number in 0..TEST_BATCHES {
        let batch = sequences(seed, TEST + number, steps, batch);
        let value = trainer.evaluate(&Call::new(&batch.input), &Targets::StepNumbers(batch.answers))?;
        sum += f64::from(value.loss);
    }
    Ok(sum / TEST_BATCHES as f64)
}
