//! The training of a network, and its test.

use crate::choices::Cell;
use crate::edits::error_rate;
use crate::tones::{BLANK, CLASSES, FEATURES, Strings, strings};
use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Schedule, Targets, Trainer, greedy_decode};
use wgpu_rnn::{Call, Engine, Init, Result, Rnn};

/// The norm that gradients are clipped to.
const NORM: f64 = 1.0;

/// Batches of the test have numbers from here on, beyond those of the training.
const TEST: u64 = 1 << 32;

pub struct Settings {
    pub cell: Cell,
    pub hidden: usize,
    /// Digits of a string at most.
    pub digits: usize,
    pub noise: f32,
    pub batch: usize,
    pub updates: u64,
    pub seed: u64,
    pub learning_rate: f64,
}

impl Settings {
    fn strings(&self, number: u64) -> Strings {
        strings(self.seed, number, self.batch, self.digits, self.noise)
    }
}

/// Trains a network on fresh strings, and tells the loss of each update to `watch`.
pub fn learn(settings: &Settings, engine: &Engine, mut watch: impl FnMut(u64, f64)) -> Result<Trainer> {
    let &Settings { cell, hidden, updates, seed, learning_rate, .. } = settings;
    let config = cell.config(hidden).bidirectional().input_size(FEATURES);
    let rnn = Rnn::lazy(engine, &config, Init::pytorch().seed(seed))?;
    let head = Head::every_step(CLASSES).seed(seed);
    let mut trainer = Trainer::new(rnn, head, Loss::ctc(BLANK), Optimizer::adamw(learning_rate))?
        .clip(Clip::norm(NORM))?
        .schedule(Schedule::cosine(updates, learning_rate / 20.0))?;
    for update in 0..updates {
        let batch = settings.strings(update);
        let call = Call::new(&batch.input).lengths(&batch.lengths);
        let reports = trainer.step(&call, &Targets::Labels(batch.labels))?;
        reports.iter().for_each(|report| watch(report.step, report.loss));
    }
    trainer.finish()?.iter().for_each(|report| watch(report.step, report.loss));
    Ok(trainer)
}

/// The network's readings of strings that it has never heard.
pub struct Test {
    pub expected: Vec<Vec<i32>>,
    pub found: Vec<Vec<i32>>,
}

impl Test {
    pub fn new(settings: &Settings, trainer: &mut Trainer, batches: u64) -> Result<Test> {
        let mut test = Test { expected: Vec::new(), found: Vec::new() };
        for number in 0..batches {
            let batch = settings.strings(TEST + number);
            let predictions = trainer.predict(&Call::new(&batch.input).lengths(&batch.lengths))?;
            test.found.extend(greedy_decode(&predictions, BLANK, Some(&batch.lengths))?);
            test.expected.extend(batch.labels);
        }
        Ok(test)
    }

    pub fn error_rate(&self) -> f64 {
        error_rate(&self.expected, &self.found)
    }
}
