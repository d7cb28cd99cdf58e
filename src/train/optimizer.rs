//! The settings of optimisers, in PyTorch's names, defaults and formulas.

mod coefficients;
mod update;

pub use coefficients::{Coefficients, Rule};

use super::settings::{
    ABOVE_ZERO, AT_LEAST_ZERO, FRACTION, expect, from_json, is_above_zero, is_at_least_zero, is_fraction,
    to_json,
};
use crate::Result;
use serde::{Deserialize, Serialize};

/// The settings of an optimiser: SGD, Adam, AdamW or RMSprop, as in `torch.optim`.
///
/// A setting that the optimiser does not have is refused by [`check`](Optimizer::check).
///
/// ```
/// use wgpu_rnn::train::{Clip, Optimizer, norm};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let optimizer = Optimizer::adamw(0.1).betas(0.8, 0.99);
/// optimizer.check()?;
/// let mut x = [3.0_f32, -2.0]; // the least of x² is at 0
/// let mut state = vec![[0.0; 2]; optimizer.state_arrays().len()];
/// for step in 1..=100 {
///     let gradients = x.map(|x| 2.0 * x);
///     let coefficients = optimizer.coefficients(step, optimizer.learning_rate())?;
///     let coefficients = coefficients.clip(&Clip::norm(1.0)).with_norm(norm(&gradients));
///     let mut state: Vec<&mut [f32]> = state.iter_mut().map(|array| &mut array[..]).collect();
///     coefficients.cast().update(&mut x, &gradients, &mut state)?;
/// }
/// assert!(x[0].abs() < 0.1 && x[1].abs() < 0.1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    learning_rate: f64,
    weight_decay: f64,
    rule: Settings,
    /// A setting that the rule does not have.
    #[serde(skip)]
    foreign: Option<&'static str>,
}

/// The settings of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Settings {
    Sgd { momentum: f64, dampening: f64, nesterov: bool },
    Adam { betas: [f64; 2], epsilon: f64, amsgrad: bool, decoupled: bool },
    Rmsprop { alpha: f64, epsilon: f64, momentum: f64, centered: bool },
}

impl Optimizer {
    /// Gradient descent, without momentum.
    pub fn sgd(learning_rate: f64) -> Optimizer {
        let rule = Settings::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false };
        Optimizer { learning_rate, weight_decay: 0.0, rule, foreign: None }
    }

    /// Adam (Kingma and Ba 2015), with betas 0.9 and 0.999 and an epsilon of 1e-8.
    pub fn adam(learning_rate: f64) -> Optimizer {
        let rule = Settings::Adam { betas: [0.9, 0.999], epsilon: 1e-8, amsgrad: false, decoupled: false };
        Optimizer { learning_rate, weight_decay: 0.0, rule, foreign: None }
    }

    /// Adam with decoupled weight decay (Loshchilov and Hutter 2019) of 0.01.
    pub fn adamw(learning_rate: f64) -> Optimizer {
        let rule = Settings::Adam { betas: [0.9, 0.999], epsilon: 1e-8, amsgrad: false, decoupled: true };
        Optimizer { learning_rate, weight_decay: 1e-2, rule, foreign: None }
    }

    /// RMSprop (Tieleman and Hinton 2012), with an alpha of 0.99 and an epsilon of 1e-8.
    pub fn rmsprop(learning_rate: f64) -> Optimizer {
        let rule = Settings::Rmsprop { alpha: 0.99, epsilon: 1e-8, momentum: 0.0, centered: false };
        Optimizer { learning_rate, weight_decay: 0.0, rule, foreign: None }
    }

    /// The part of the momentum buffer that a step keeps, of SGD and RMSprop.
    #[must_use]
    pub fn momentum(mut self, part: f64) -> Optimizer {
        match &mut self.rule {
            Settings::Sgd { momentum, .. } | Settings::Rmsprop { momentum, .. } => *momentum = part,
            Settings::Adam { .. } => self.foreign = Some("momentum"),
        }
        self
    }

    /// The part of a gradient that does not enter the momentum buffer, of SGD. The first gradient enters
    /// whole.
    #[must_use]
    pub fn dampening(mut self, part: f64) -> Optimizer {
        match &mut self.rule {
            Settings::Sgd { dampening, .. } => *dampening = part,
            _ => self.foreign = Some("dampening"),
        }
        self
    }

    /// Nesterov's momentum, of SGD.
    #[must_use]
    pub fn nesterov(mut self) -> Optimizer {
        match &mut self.rule {
            Settings::Sgd { nesterov, .. } => *nesterov = true,
            _ => self.foreign = Some("nesterov"),
        }
        self
    }

    /// Decay of the parameters: times the learning rate for AdamW, an L2 term of the gradient for the others.
    #[must_use]
    pub fn weight_decay(self, weight_decay: f64) -> Optimizer {
        Optimizer { weight_decay, ..self }
    }

    /// The parts of both moments that a step keeps, of Adam and AdamW.
    #[must_use]
    pub fn betas(mut self, first: f64, second: f64) -> Optimizer {
        match &mut self.rule {
            Settings::Adam { betas, .. } => *betas = [first, second],
            _ => self.foreign = Some("betas"),
        }
        self
    }

    /// The number added to the root that divides, of all but SGD.
    #[must_use]
    pub fn epsilon(mut self, number: f64) -> Optimizer {
        match &mut self.rule {
            Settings::Adam { epsilon, .. } | Settings::Rmsprop { epsilon, .. } => *epsilon = number,
            Settings::Sgd { .. } => self.foreign = Some("epsilon"),
        }
        self
    }

    /// The largest second moment so far in place of the second moment (Reddi et al. 2018), of Adam and AdamW.
    #[must_use]
    pub fn amsgrad(mut self) -> Optimizer {
        match &mut self.rule {
            Settings::Adam { amsgrad, .. } => *amsgrad = true,
            _ => self.foreign = Some("amsgrad"),
        }
        self
    }

    /// The part of the mean square that a step keeps, of RMSprop.
    #[must_use]
    pub fn alpha(mut self, part: f64) -> Optimizer {
        match &mut self.rule {
            Settings::Rmsprop { alpha, .. } => *alpha = part,
            _ => self.foreign = Some("alpha"),
        }
        self
    }

    /// The variance of the gradient in place of the mean square, of RMSprop.
    #[must_use]
    pub fn centered(mut self) -> Optimizer {
        match &mut self.rule {
            Settings::Rmsprop { centered, .. } => *centered = true,
            _ => self.foreign = Some("centered"),
        }
        self
    }

    /// The learning rate before any schedule.
    pub fn learning_rate(&self) -> f64 {
        self.learning_rate
    }

    /// The name: `sgd`, `adam`, `adamw` or `rmsprop`.
    pub fn name(&self) -> &'static str {
        match self.rule {
            Settings::Sgd { .. } => "sgd",
            Settings::Adam { decoupled: false, .. } => "adam",
            Settings::Adam { decoupled: true, .. } => "adamw",
            Settings::Rmsprop { .. } => "rmsprop",
        }
    }

    /// The one check of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a setting that the optimiser does not have, or a value
    /// that makes no sense.
    pub fn check(&self) -> Result<()> {
        if let Some(name) = self.foreign {
            expect(false, name, "an optimiser with this setting", self.name())?;
        }
        expect(is_at_least_zero(self.learning_rate), "learning_rate", AT_LEAST_ZERO, self.learning_rate)?;
        expect(is_at_least_zero(self.weight_decay), "weight_decay", AT_LEAST_ZERO, self.weight_decay)?;
        let check_epsilon = |epsilon| expect(is_above_zero(epsilon), "epsilon", ABOVE_ZERO, epsilon);
        let check_momentum = |momentum| expect(is_fraction(momentum), "momentum", FRACTION, momentum);
        match self.rule {
            Settings::Sgd { momentum, dampening, nesterov } => {
                check_momentum(momentum)?;
                expect(is_fraction(dampening), "dampening", FRACTION, dampening)?;
                expect(momentum > 0.0 || dampening == 0.0, "dampening", "0 without momentum", dampening)?;
                expect(!nesterov || momentum > 0.0, "nesterov", "a momentum above 0", momentum)?;
                expect(!nesterov || dampening == 0.0, "nesterov", "a dampening of 0", dampening)
            }
            Settings::Adam { betas, epsilon, .. } => {
                expect(betas.into_iter().all(is_fraction), "betas", "numbers from 0 to below 1", betas)?;
                check_epsilon(epsilon)
            }
            Settings::Rmsprop { alpha, epsilon, momentum, .. } => {
                expect(is_fraction(alpha), "alpha", FRACTION, alpha)?;
                check_epsilon(epsilon)?;
                check_momentum(momentum)
            }
        }
    }

    /// PyTorch's names of the arrays that an update keeps beside the parameters, each as long as these and
    /// zero before the first step.
    pub fn state_arrays(&self) -> &'static [&'static str] {
        match self.rule {
            Settings::Sgd { momentum: 0.0, .. } => &[],
            Settings::Sgd { .. } => &["momentum_buffer"],
            Settings::Adam { amsgrad: false, .. } => &["exp_avg", "exp_avg_sq"],
            Settings::Adam { amsgrad: true, .. } => &["exp_avg", "exp_avg_sq", "max_exp_avg_sq"],
            Settings::Rmsprop { momentum: 0.0, centered: false, .. } => &["square_avg"],
            Settings::Rmsprop { centered: false, .. } => &["square_avg", "momentum_buffer"],
            Settings::Rmsprop { momentum: 0.0, centered: true, .. } => &["square_avg", "grad_avg"],
            Settings::Rmsprop { centered: true, .. } => &["square_avg", "momentum_buffer", "grad_avg"],
        }
    }

    /// The settings as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The settings of a JSON value that [`to_json`](Optimizer::to_json) made, checked.
    ///
    /// # Errors
    /// [`Error::Metadata`](crate::Error::Metadata) for another value, and the errors of
    /// [`check`](Optimizer::check).
    pub fn from_json(value: &serde_json::Value) -> Result<Optimizer> {
        let optimizer: Optimizer = from_json("optimizer", "the settings of an optimiser", value)?;
        optimizer.check()?;
        Ok(optimizer)
    }
}
