//! The numbers of one step, computed once per step in f64.

use super::{Optimizer, Settings};
use crate::train::Clip;
use crate::train::settings::{AT_LEAST_ZERO, is_at_least_zero};
use crate::{Error, Float, Result};

/// The formula of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Stochastic gradient descent.
    Sgd,
    /// Adam and AdamW.
    Adam,
    /// RMSprop.
    Rmsprop,
}

/// The numbers of one step of an optimiser, the same for all parameters.
///
/// They are computed in f64; a kernel in f32 is told them by [`words`](Coefficients::words).
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Coefficients<T = f32> {
    /// The formula.
    pub rule: Rule,
    /// A momentum buffer is kept.
    pub has_momentum: bool,
    /// Nesterov's momentum.
    pub is_nesterov: bool,
    /// The largest second moment is kept.
    pub is_amsgrad: bool,
    /// The mean gradient is kept.
    pub is_centered: bool,
    /// The factor of every gradient: 1 / (scale of the loss · its divisor), and the factor of clipping
    /// by norm.
    pub scale: T,
    /// The norm of the scaled gradients above which they are clipped, until the norm is known.
    pub max_norm: Option<T>,
    /// The magnitude of a scaled gradient above which it is clipped.
    pub max_value: Option<T>,
    /// The learning rate; of Adam by 1 - beta1^step.
    pub step_size: T,
    /// The factor of the parameter that is added to the gradient; 0 of AdamW.
    pub weight_decay: T,
    /// The factor of the parameter itself: 1 - learning rate · weight decay of AdamW, 1 of the others.
    pub keep: T,
    /// The part of the momentum buffer that the step keeps.
    pub momentum: T,
    /// The part of the gradient that enters the momentum buffer: 1 - dampening, 1 in the first step.
    pub gradient_rate: T,
    /// The part of the gradient that enters its mean: 1 - beta1, or 1 - alpha of a centred RMSprop.
    pub first_rate: T,
    /// The part of the mean square that the step keeps: beta2 or alpha.
    pub second_keep: T,
    /// The part of the gradient's square that enters the mean square: 1 - beta2 or 1 - alpha.
    pub second_rate: T,
    /// The divisor of the mean square's root: the root of 1 - beta2^step of Adam, 1 of the others.
    pub correction: T,
    /// The number that is added to the root.
    pub epsilon: T,
}

impl Optimizer {
    /// The numbers of a step. The first step is 1; a step that is skipped is not counted.
    ///
    /// # Errors
    /// [`Error::Argument`] for step 0, or a learning rate that is negative or not finite.
    pub fn coefficients(&self, step: u64, learning_rate: f64) -> Result<Coefficients<f64>> {
        let refuse = |name, expected: &str, found: String| {
            Err(Error::Argument { name, expected: expected.into(), found })
        };
        if step == 0 {
            return refuse("step", "1 or more", step.to_string());
        }
        if !is_at_least_zero(learning_rate) {
            return refuse("learning_rate", AT_LEAST_ZERO, learning_rate.to_string());
        }
        let plain = Coefficients {
            rule: Rule::Sgd,
            has_momentum: false,
            is_nesterov: false,
            is_amsgrad: false,
            is_centered: false,
            scale: 1.0,
            max_norm: None,
            max_value: None,
            step_size: learning_rate,
            weight_decay: self.weight_decay,
            keep: 1.0,
            momentum: 0.0,
            gradient_rate: 1.0,
            first_rate: 0.0,
            second_keep: 0.0,
            second_rate: 0.0,
            correction: 1.0,
            epsilon: 0.0,
        };
        Ok(match self.rule {
            Settings::Sgd { momentum, dampening, nesterov } => Coefficients {
                has_momentum: momentum != 0.0,
                is_nesterov: nesterov,
                momentum,
                gradient_rate: if step == 1 { 1.0 } else { 1.0 - dampening },
                ..plain
            },
            Settings::Adam { betas: [first, second], epsilon, amsgrad, decoupled } => {
                // libm's powers are the same on every platform.
                let corrections = [first, second].map(|beta| 1.0 - libm::pow(beta, step as f64));
                Coefficients {
                    rule: Rule::Adam,
                    is_amsgrad: amsgrad,
                    step_size: learning_rate / corrections[0],
                    weight_decay: if decoupled { 0.0 } else { self.weight_decay },
                    keep: if decoupled { 1.0 - learning_rate * self.weight_decay } else { 1.0 },
                    first_rate: 1.0 - first,
                    second_keep: second,
                    second_rate: 1.0 - second,
                    correction: corrections[1].sqrt(),
                    epsilon,
                    ..plain
                }
            }
            Settings::Rmsprop { alpha, epsilon, momentum, centered } => Coefficients {
                rule: Rule::Rmsprop,
                has_momentum: momentum != 0.0,
                is_centered: centered,
                momentum,
                first_rate: 1.0 - alpha,
                second_keep: alpha,
                second_rate: 1.0 - alpha,
                epsilon,
                ..plain
            },
        })
    }
}

impl Coefficients<f64> {
    /// The same step with gradients times a factor: 1 / (scale of the loss · its divisor).
    #[must_use]
    pub fn scaled(self, factor: f64) -> Coefficients<f64> {
        Coefficients { scale: self.scale * factor, ..self }
    }

    /// The same step with clipped gradients. Clipping by norm waits for the norm.
    #[must_use]
    pub fn clip(self, clip: &Clip) -> Coefficients<f64> {
        Coefficients { max_norm: clip.max_norm(), max_value: clip.max_value(), ..self }
    }

    /// The same step, of gradients that have this [`norm`](crate::train::norm) before they are scaled.
    #[must_use]
    pub fn with_norm(self, norm: f64) -> Coefficients<f64> {
        let factor = self.max_norm.map_or(1.0, |most| Clip::norm(most).factor(norm * self.scale));
        Coefficients { scale: self.scale * factor, max_norm: None, ..self }
    }

    /// The numbers in the parameters' precision.
    pub fn cast<T: Float>(&self) -> Coefficients<T> {
        // Float to float always converts, to infinity at worst.
        let of = |number: f64| T::from(number).expect("a float converts to a float");
        Coefficients {
            rule: self.rule,
            has_momentum: self.has_momentum,
            is_nesterov: self.is_nesterov,
            is_amsgrad: self.is_amsgrad,
            is_centered: self.is_centered,
            scale: of(self.scale),
            max_norm: self.max_norm.map(of),
            max_value: self.max_value.map(of),
            step_size: of(self.step_size),
            weight_decay: of(self.weight_decay),
            keep: of(self.keep),
            momentum: of(self.momentum),
            gradient_rate: of(self.gradient_rate),
            first_rate: of(self.first_rate),
            second_keep: of(self.second_keep),
            second_rate: of(self.second_rate),
            correction: of(self.correction),
            epsilon: of(self.epsilon),
        }
    }
}

impl Coefficients<f32> {
    /// The numbers as a kernel is told them, in the order of the fields: the rule (0 SGD, 1 Adam, 2 RMSprop);
    /// bits for momentum, Nesterov, amsgrad, centred, clipping by norm and clipping by value; then the bits
    /// of `scale` to `epsilon`, 0 for no clipping; and a word of 0.
    pub fn words(&self) -> [u32; 16] {
        let flags = [
            self.has_momentum,
            self.is_nesterov,
            self.is_amsgrad,
            self.is_centered,
            self.max_norm.is_some(),
            self.max_value.is_some(),
        ];
        let bits = flags.into_iter().enumerate().map(|(bit, is_set)| u32::from(is_set) << bit).sum();
        let rule = match self.rule {
            Rule::Sgd => 0,
            Rule::Adam => 1,
            Rule::Rmsprop => 2,
        };
        let numbers = [
            self.scale,
            self.max_norm.unwrap_or(0.0),
            self.max_value.unwrap_or(0.0),
            self.step_size,
            self.weight_decay,
            self.keep,
            self.momentum,
            self.gradient_rate,
            self.first_rate,
            self.second_keep,
            self.second_rate,
            self.correction,
            self.epsilon,
        ];
        let mut words = [0; 16];
        words[..2].copy_from_slice(&[rule, bits]);
        words[2..15].copy_from_slice(&numbers.map(f32::to_bits));
        words
    }
}
