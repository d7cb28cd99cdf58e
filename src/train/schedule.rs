//! Schedules of the learning rate, by the formulas of `torch.optim.lr_scheduler`.

use super::settings::{
    ABOVE_ZERO, AT_LEAST_ZERO, expect, from_json, is_above_zero, is_at_least_zero, is_fraction, to_json,
};
use crate::Result;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// The least change of the learning rate that a plateau makes.
const LEAST_CHANGE: f64 = 1e-8;

/// The learning rate of every step.
///
/// ```
/// use wgpu_rnn::train::{Schedule, ScheduleState};
///
/// let schedule = Schedule::cosine(100, 0.0).warm_up(10);
/// let state = ScheduleState::default();
/// let rate = |step| schedule.learning_rate(0.5, step, &state);
/// assert_eq!(rate(0), 0.05);
/// assert_eq!(rate(10), 0.5);
/// assert_eq!(rate(60), 0.25);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    warm_up: u64,
    shape: Shape,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Shape {
    Constant,
    Step { every: u64, factor: f64 },
    Cosine { steps: u64, minimum: f64 },
    Plateau(Plateau),
}

/// The settings of a learning rate that is reduced when a metric no longer improves (ReduceLROnPlateau).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    patience: u64,
    factor: f64,
    threshold: f64,
    cooldown: u64,
    minimum: f64,
    maximizes: bool,
}

/// The part of a schedule that observations change; a new one is `default()`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleState {
    /// The learning rate, once it was reduced.
    reduced: Option<f64>,
    /// The best metric.
    best: Option<f64>,
    /// Observations in a row that were not better.
    bad: u64,
    /// Observations that are still not counted.
    cooldown: u64,
}

impl Plateau {
    /// PyTorch's settings: a factor of 0.1 after 10 observations that were not better by a part of 1e-4.
    pub fn new() -> Plateau {
        Plateau { patience: 10, factor: 0.1, threshold: 1e-4, cooldown: 0, minimum: 0.0, maximizes: false }
    }

    /// The number of observations in a row, none of them better, that change nothing yet.
    #[must_use]
    pub fn patience(self, patience: u64) -> Plateau {
        Plateau { patience, ..self }
    }

    /// The factor of a reduction.
    #[must_use]
    pub fn factor(self, factor: f64) -> Plateau {
        Plateau { factor, ..self }
    }

    /// The part of the best metric that a better one has to improve on it.
    #[must_use]
    pub fn threshold(self, threshold: f64) -> Plateau {
        Plateau { threshold, ..self }
    }

    /// The number of observations after a reduction that are not counted.
    #[must_use]
    pub fn cooldown(self, cooldown: u64) -> Plateau {
        Plateau { cooldown, ..self }
    }

    /// The least learning rate.
    #[must_use]
    pub fn minimum(self, minimum: f64) -> Plateau {
        Plateau { minimum, ..self }
    }

    /// A metric that is better when it is larger, such as an accuracy.
    #[must_use]
    pub fn maximize(self) -> Plateau {
        Plateau { maximizes: true, ..self }
    }

    /// Whether a metric is better than the best. NaN and infinities are not.
    fn is_better(&self, metric: f64, best: Option<f64>) -> bool {
        let Some(best) = best else { return metric.is_finite() };
        metric.is_finite()
            && if self.maximizes {
                metric > best * (self.threshold + 1.0)
            } else {
                metric < best * (1.0 - self.threshold)
            }
    }

    fn observe(&self, base: f64, metric: f64, state: &mut ScheduleState) {
        if self.is_better(metric, state.best) {
            state.best = Some(metric);
            state.bad = 0;
        } else {
            state.bad = state.bad.saturating_add(1);
        }
        if state.cooldown > 0 {
            state.cooldown -= 1;
            state.bad = 0;
        }
        if state.bad > self.patience {
            let old = state.reduced.unwrap_or(base);
            let new = (old * self.factor).max(self.minimum);
            if old - new > LEAST_CHANGE {
                state.reduced = Some(new);
            }
            state.cooldown = self.cooldown;
            state.bad = 0;
        }
    }
}

impl Default for Plateau {
    fn default() -> Plateau {
        Plateau::new()
    }
}

impl Schedule {
    /// The optimiser's learning rate in every step.
    pub fn constant() -> Schedule {
        Schedule { warm_up: 0, shape: Shape::Constant }
    }

    /// A factor after every so many steps (StepLR).
    pub fn step(every: u64, factor: f64) -> Schedule {
        Schedule { warm_up: 0, shape: Shape::Step { every, factor } }
    }

    /// Half a wave of a cosine, down to a minimum after so many steps (CosineAnnealingLR). As in PyTorch, the
    /// learning rate rises again after these.
    pub fn cosine(steps: u64, minimum: f64) -> Schedule {
        Schedule { warm_up: 0, shape: Shape::Cosine { steps, minimum } }
    }

    /// A learning rate that [`observe`](Schedule::observe) reduces.
    pub fn plateau(plateau: Plateau) -> Schedule {
        Schedule { warm_up: 0, shape: Shape::Plateau(plateau) }
    }

    /// So many steps of a linear rise in front: step i has a part of (i + 1) / steps, and the schedule begins
    /// after them. It is PyTorch's LinearLR with a `start_factor` of 1 / steps over steps - 1 in a
    /// SequentialLR.
    #[must_use]
    pub fn warm_up(self, steps: u64) -> Schedule {
        Schedule { warm_up: steps, ..self }
    }

    /// The learning rate of the step after so many others, for an optimiser's own learning rate.
    pub fn learning_rate(&self, base: f64, step: u64, state: &ScheduleState) -> f64 {
        let after = step.saturating_sub(self.warm_up);
        let rate = match self.shape {
            Shape::Constant => base,
            // libm's functions are the same on every platform.
            Shape::Step { every, factor } => base * libm::pow(factor, (after / every.max(1)) as f64),
            Shape::Cosine { steps, minimum } => {
                let part = PI * after as f64 / steps as f64;
                minimum + (base - minimum) * (1.0 + libm::cos(part)) / 2.0
            }
            Shape::Plateau(_) => state.reduced.unwrap_or(base),
        };
        if step < self.warm_up { rate * ((step + 1) as f64 / self.warm_up as f64) } else { rate }
    }

    /// Tells a plateau its metric, once per epoch; the other schedules do not look at it.
    pub fn observe(&self, base: f64, metric: f64, state: &mut ScheduleState) {
        if let Shape::Plateau(plateau) = &self.shape {
            plateau.observe(base, metric, state);
        }
    }

    /// The one check of the settings, with the optimiser's learning rate.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a value that makes no sense.
    pub fn check(&self, base: f64) -> Result<()> {
        let check_minimum = |minimum: f64| {
            expect(is_at_least_zero(minimum), "minimum", AT_LEAST_ZERO, minimum)?;
            expect(minimum <= base, "minimum", &format!("at most the learning rate, {base}"), minimum)
        };
        match self.shape {
            Shape::Constant => Ok(()),
            Shape::Step { every, factor } => {
                expect(every > 0, "every", "1 or more", every)?;
                expect(is_above_zero(factor), "factor", ABOVE_ZERO, factor)
            }
            Shape::Cosine { steps, minimum } => {
                expect(steps > 0, "steps", "1 or more", steps)?;
                check_minimum(minimum)
            }
            Shape::Plateau(Plateau { factor, threshold, minimum, .. }) => {
                let is_reduction = factor > 0.0 && factor < 1.0;
                expect(is_reduction, "factor", "a number between 0 and 1", factor)?;
                expect(is_fraction(threshold), "threshold", "a number from 0 to below 1", threshold)?;
                check_minimum(minimum)
            }
        }
    }

    /// The settings as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The settings of a JSON value that [`to_json`](Schedule::to_json) made, checked but for the optimiser's
    /// learning rate.
    ///
    /// # Errors
    /// [`Error::Metadata`](crate::Error::Metadata) for another value, and the errors of
    /// [`check`](Schedule::check).
    pub fn from_json(value: &serde_json::Value) -> Result<Schedule> {
        let schedule: Schedule = from_json("schedule", "the settings of a schedule", value)?;
        schedule.check(f64::INFINITY)?;
        Ok(schedule)
    }
}

impl ScheduleState {
    /// The state as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The state of a JSON value that [`to_json`](ScheduleState::to_json) made.
    ///
    /// # Errors
    /// [`Error::Metadata`](crate::Error::Metadata) for another value.
    pub fn from_json(value: &serde_json::Value) -> Result<ScheduleState> {
        let expected = "the state of a schedule";
        let state: ScheduleState = from_json("schedule state", expected, value)?;
        if state.reduced.is_some_and(|rate| !is_at_least_zero(rate)) {
            return Err(crate::Error::Metadata {
                key: "schedule state".into(),
                expected: format!("a learning rate that is {AT_LEAST_ZERO}"),
                found: format!("{:?}", state.reduced),
            });
        }
        Ok(state)
    }
}
