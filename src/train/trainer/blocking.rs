//! The blocking calls of a trainer: each waits for its `_async` twin.

use super::Trainer;
use crate::gpu::Wait;
use crate::train::{HeadWeights, LossValue, Report, Targets};
use crate::{Call, Result, Weights};
use ndarray::Array3;
use std::path::Path;

/// # Blocking calls
impl Trainer {
    /// The same as [`step_async`](Trainer::step_async).
    ///
    /// # Errors
    /// The errors of [`step_async`](Trainer::step_async).
    pub fn step(&mut self, call: &Call<'_>, targets: &Targets) -> Result<Vec<Report>> {
        pollster::block_on(self.run_step(call, targets, Wait::Here))
    }

    /// The same as [`finish_async`](Trainer::finish_async).
    ///
    /// # Errors
    /// The errors of [`finish_async`](Trainer::finish_async).
    pub fn finish(&mut self) -> Result<Vec<Report>> {
        pollster::block_on(self.run_finish(Wait::Here))
    }

    /// The same as [`predict_async`](Trainer::predict_async).
    ///
    /// # Errors
    /// The errors of [`predict_async`](Trainer::predict_async).
    pub fn predict(&mut self, call: &Call<'_>) -> Result<Array3<f32>> {
        pollster::block_on(self.run_predict(call, Wait::Here))
    }

    /// The same as [`evaluate_async`](Trainer::evaluate_async).
    ///
    /// # Errors
    /// The errors of [`evaluate_async`](Trainer::evaluate_async).
    pub fn evaluate(&mut self, call: &Call<'_>, targets: &Targets) -> Result<LossValue> {
        pollster::block_on(self.run_evaluate(call, targets, Wait::Here))
    }

    /// The same as [`save_async`](Trainer::save_async).
    ///
    /// # Errors
    /// The errors of [`save_async`](Trainer::save_async).
    pub fn save(&mut self, path: impl AsRef<Path>) -> Result<()> {
        pollster::block_on(self.save_async(path))
    }

    /// The same as [`weights_async`](Trainer::weights_async).
    ///
    /// # Errors
    /// The errors of [`weights_async`](Trainer::weights_async).
    pub fn weights(&mut self) -> Result<(&Weights, &HeadWeights)> {
        pollster::block_on(self.weights_async())
    }
}
