//! Scales of the loss, which keep small gradients within f16.

use super::settings::{ABOVE_ZERO, expect, from_json, is_above_zero, to_json};
use crate::{Error, Result};
use serde::{Deserialize, Serialize};

/// The factor of the loss, and so of all gradients before the update: fixed, or adaptive as PyTorch's
/// GradScaler.
///
/// With a scale that adapts, a step whose gradients are not finite is skipped, and not counted.
///
/// ```
/// use wgpu_rnn::train::{LossScale, Optimizer};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let loss_scale = LossScale::adaptive();
/// let mut state = loss_scale.start();
/// assert_eq!(state.scale(), 65536.0);
/// loss_scale.observe(false, &mut state); // a gradient was not finite
/// assert_eq!(state.scale(), 32768.0);
///
/// let step = Optimizer::adam(1e-3).coefficients(1, 1e-3)?;
/// let step = step.scaled(1.0 / f64::from(state.scale()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScale {
    initial: f32,
    adaptive: Option<Adaptive>,
    /// A setting that a fixed scale does not have.
    #[serde(skip)]
    foreign: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Adaptive {
    growth: f64,
    backoff: f64,
    interval: u32,
}

/// The scale of the loss at a step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LossScaleState {
    scale: f32,
    /// Steps in a row whose gradients were finite, since the scale changed.
    good_steps: u32,
}

impl Default for LossScale {
    fn default() -> LossScale {
        LossScale::none()
    }
}

impl LossScale {
    /// A scale of 1.
    pub fn none() -> LossScale {
        LossScale::fixed(1.0)
    }

    /// The same scale in every step.
    pub fn fixed(scale: f32) -> LossScale {
        LossScale { initial: scale, adaptive: None, foreign: None }
    }

    /// PyTorch's settings: 65536 at first, doubled after 2000 finite steps in a row, halved after each other
    /// one.
    pub fn adaptive() -> LossScale {
        let adaptive = Adaptive { growth: 2.0, backoff: 0.5, interval: 2000 };
        LossScale { initial: 65536.0, adaptive: Some(adaptive), foreign: None }
    }

    /// True for a scale that adapts.
    pub fn adapts(&self) -> bool {
        self.adaptive.is_some()
    }

    /// The first scale.
    #[must_use]
    pub fn initial(self, initial: f32) -> LossScale {
        LossScale { initial, ..self }
    }

    /// The factor after so many finite steps in a row.
    #[must_use]
    pub fn growth(self, growth: f64) -> LossScale {
        self.set("growth", |adaptive| adaptive.growth = growth)
    }

    /// The factor after a step that is not finite.
    #[must_use]
    pub fn backoff(self, backoff: f64) -> LossScale {
        self.set("backoff", |adaptive| adaptive.backoff = backoff)
    }

    /// The number of finite steps in a row before the scale grows.
    #[must_use]
    pub fn interval(self, interval: u32) -> LossScale {
        self.set("interval", |adaptive| adaptive.interval = interval)
    }

    fn set(mut self, name: &'static str, set: impl FnOnce(&mut Adaptive)) -> LossScale {
        match &mut self.adaptive {
            Some(adaptive) => set(adaptive),
            None => self.foreign = Some(name),
        }
        self
    }

    /// The one check of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`] for a setting that a fixed scale does not have, or a value that makes no sense.
    pub fn check(&self) -> Result<()> {
        if let Some(name) = self.foreign {
            expect(false, name, "an adaptive scale of the loss", "fixed")?;
        }
        expect(is_above_zero(self.initial.into()), "loss scale", ABOVE_ZERO, self.initial)?;
        let Some(Adaptive { growth, backoff, interval }) = self.adaptive else { return Ok(()) };
        let is_growth = growth > 1.0 && growth.is_finite();
        expect(is_growth, "growth", "a finite number above 1", growth)?;
        expect(backoff > 0.0 && backoff < 1.0, "backoff", "a number between 0 and 1", backoff)?;
        expect(interval > 0, "interval", "1 or more", interval)
    }

    /// The state before the first step.
    pub fn start(&self) -> LossScaleState {
        LossScaleState { scale: self.initial, good_steps: 0 }
    }

    /// Tells whether the gradients of a step, or their norm, were finite. The scale stays within f32.
    pub fn observe(&self, is_finite: bool, state: &mut LossScaleState) {
        let Some(Adaptive { growth, backoff, interval }) = self.adaptive else { return };
        let times = |factor: f64| (f64::from(state.scale) * factor) as f32;
        if !is_finite {
            *state = LossScaleState { scale: times(backoff).max(f32::MIN_POSITIVE), good_steps: 0 };
        } else if state.good_steps.saturating_add(1) < interval {
            state.good_steps += 1;
        } else {
            let grown = times(growth);
            let scale = if grown.is_finite() { grown } else { state.scale };
            *state = LossScaleState { scale, good_steps: 0 };
        }
    }

    /// The settings as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The settings of a JSON value that [`to_json`](LossScale::to_json) made, checked.
    ///
    /// # Errors
    /// [`Error::Metadata`] for another value, and the errors of [`check`](LossScale::check).
    pub fn from_json(value: &serde_json::Value) -> Result<LossScale> {
        let loss_scale: LossScale = from_json("loss scale", "the settings of a loss scale", value)?;
        loss_scale.check()?;
        Ok(loss_scale)
    }
}

impl LossScaleState {
    /// The factor of the loss.
    pub fn scale(&self) -> f32 {
        self.scale
    }

    /// The state as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The state of a JSON value that [`to_json`](LossScaleState::to_json) made.
    ///
    /// # Errors
    /// [`Error::Metadata`] for another value.
    pub fn from_json(value: &serde_json::Value) -> Result<LossScaleState> {
        let state: LossScaleState = from_json("loss scale state", "the state of a loss scale", value)?;
        if is_above_zero(state.scale.into()) {
            return Ok(state);
        }
        Err(Error::Metadata {
            key: "loss scale state".into(),
            expected: format!("a scale that is {ABOVE_ZERO}"),
            found: state.scale.to_string(),
        })
    }
}
