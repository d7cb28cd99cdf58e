//! The update of parameters on the host, number by number.

use super::{Coefficients, Rule};
use crate::{Error, Float, Result};

impl<T: Float> Coefficients<T> {
    /// Updates parameters and the optimiser's state in one pass.
    ///
    /// No number depends on its neighbours: parts of the arrays, each updated alone, become the same bits as
    /// the whole. Where parameter, gradient and state are zero, they stay zero.
    ///
    /// # Errors
    /// [`Error::Argument`] for arrays of different lengths, for another number of state arrays than
    /// [`Optimizer::state_arrays`](super::Optimizer::state_arrays) has, and for clipping by a norm that is
    /// not known.
    pub fn update(&self, parameters: &mut [T], gradients: &[T], state: &mut [&mut [T]]) -> Result<()> {
        self.check(parameters.len(), gradients, state)?;
        let clipped = |p: T, g: T| self.gradient(p, g);
        match (self.rule, state) {
            (Rule::Sgd, []) => {
                each(parameters, gradients, [], |p, g, []| (p - self.step_size * clipped(p, g), []));
            }
            (Rule::Sgd, [buffer]) => each(parameters, gradients, [buffer], |p, g, [b]| {
                let g = clipped(p, g);
                let b = b * self.momentum + self.gradient_rate * g;
                let g = if self.is_nesterov { g + self.momentum * b } else { b };
                (p - self.step_size * g, [b])
            }),
            (Rule::Adam, [mean, square]) => each(parameters, gradients, [mean, square], |p, g, [m, v]| {
                let (m, v) = self.moments(clipped(p, g), m, v);
                (self.adam(p, m, v), [m, v])
            }),
            (Rule::Adam, [mean, square, largest]) => {
                each(parameters, gradients, [mean, square, largest], |p, g, [m, v, most]| {
                    let (m, v) = self.moments(clipped(p, g), m, v);
                    // A NaN stays, as in torch.maximum.
                    let most = if v > most || v.is_nan() { v } else { most };
                    (self.adam(p, m, most), [m, v, most])
                });
            }
            (Rule::Rmsprop, [square]) => each(parameters, gradients, [square], |p, g, [v]| {
                let g = clipped(p, g);
                let v = self.second(g, v);
                (p - self.step_size * g / self.root(v), [v])
            }),
            (Rule::Rmsprop, [square, mean]) if self.is_centered => {
                each(parameters, gradients, [square, mean], |p, g, [v, m]| {
                    let g = clipped(p, g);
                    let (m, v) = self.moments(g, m, v);
                    (p - self.step_size * g / self.root(variance(v, m)), [v, m])
                });
            }
            (Rule::Rmsprop, [square, buffer]) => {
                each(parameters, gradients, [square, buffer], |p, g, [v, b]| {
                    let g = clipped(p, g);
                    let v = self.second(g, v);
                    let b = b * self.momentum + g / self.root(v);
                    (p - self.step_size * b, [v, b])
                })
            }
            (Rule::Rmsprop, [square, buffer, mean]) => {
                each(parameters, gradients, [square, buffer, mean], |p, g, [v, b, m]| {
                    let g = clipped(p, g);
                    let (m, v) = self.moments(g, m, v);
                    let b = b * self.momentum + g / self.root(variance(v, m));
                    (p - self.step_size * b, [v, b, m])
                });
            }
            // The check has counted the arrays.
            _ => {}
        }
        Ok(())
    }

    /// Refuses arrays that do not belong together.
    fn check(&self, count: usize, gradients: &[T], state: &[&mut [T]]) -> Result<()> {
        let refuse = |name, expected: String, found: String| Err(Error::Argument { name, expected, found });
        let arrays = match self.rule {
            Rule::Sgd => usize::from(self.has_momentum),
            Rule::Adam => 2 + usize::from(self.is_amsgrad),
            Rule::Rmsprop => 1 + usize::from(self.has_momentum) + usize::from(self.is_centered),
        };
        if gradients.len() != count {
            return refuse(
                "gradients",
                format!("{count}, as many as parameters"),
                gradients.len().to_string(),
            );
        }
        if state.len() != arrays {
            return refuse("state", format!("{arrays} arrays"), state.len().to_string());
        }
        if let Some(array) = state.iter().find(|array| array.len() != count) {
            let expected = format!("arrays of {count}, as many as parameters");
            return refuse("state", expected, array.len().to_string());
        }
        if self.max_norm.is_some() {
            return refuse("norm", "the gradients' norm, to clip by it".into(), "none".into());
        }
        Ok(())
    }

    /// The gradient: scaled, clipped by value, with the L2 term.
    #[inline(always)]
    fn gradient(&self, p: T, g: T) -> T {
        let g = g * self.scale;
        let most = self.max_value.unwrap_or(T::infinity());
        // A NaN stays, as in torch.clamp.
        let g = if g > most { most } else { g };
        let g = if g < -most { -most } else { g };
        g + self.weight_decay * p
    }

    /// Mean and mean square of the gradient.
    #[inline(always)]
    fn moments(&self, g: T, m: T, v: T) -> (T, T) {
        (m + (g - m) * self.first_rate, self.second(g, v))
    }

    /// Mean square of the gradient.
    #[inline(always)]
    fn second(&self, g: T, v: T) -> T {
        v * self.second_keep + self.second_rate * g * g
    }

    /// Divisor of RMSprop.
    #[inline(always)]
    fn root(&self, v: T) -> T {
        v.sqrt() + self.epsilon
    }

    /// Adam's parameter, decoupled decay first.
    #[inline(always)]
    fn adam(&self, p: T, m: T, v: T) -> T {
        p * self.keep - self.step_size * m / (v.sqrt() / self.correction + self.epsilon)
    }
}

/// Mean square minus squared mean. A rounding error below 0, whose root would be NaN in PyTorch, is 0.
#[inline(always)]
fn variance<T: Float>(v: T, m: T) -> T {
    let variance = v - m * m;
    if variance < T::zero() { T::zero() } else { variance }
}

/// Replaces each parameter and its numbers of the state.
#[inline(always)]
fn each<T: Float, const S: usize>(
    parameters: &mut [T],
    gradients: &[T],
    state: [&mut &mut [T]; S],
    update: impl Fn(T, T, [T; S]) -> (T, [T; S]),
) {
    let count = parameters.len();
    let mut state = state.map(|array| &mut array[..count]);
    for (index, (parameter, &gradient)) in parameters.iter_mut().zip(gradients).enumerate() {
        let old = std::array::from_fn(|array| state[array][index]);
        let (next, new) = update(*parameter, gradient, old);
        *parameter = next;
        for (array, number) in state.iter_mut().zip(new) {
            array[index] = number;
        }
    }
}
