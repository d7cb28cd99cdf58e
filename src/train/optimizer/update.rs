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
        // A copy, which parameters cannot overlap: the loops become vectors.
        let of = *self;
        match (of.rule, state) {
            (Rule::Sgd, []) => {
                each(parameters, gradients, [], move |p, g, []| (p - of.step_size * of.gradient(p, g), []));
            }
            (Rule::Sgd, [buffer]) => each(parameters, gradients, [buffer], move |p, g, [b]| {
                let g = of.gradient(p, g);
                let b = b * of.momentum + of.gradient_rate * g;
                let g = if of.is_nesterov { g + of.momentum * b } else { b };
                (p - of.step_size * g, [b])
            }),
            (Rule::Adam, [mean, square]) => {
                each(parameters, gradients, [mean, square], move |p, g, [m, v]| {
                    let (m, v) = of.moments(of.gradient(p, g), m, v);
                    (of.adam(p, m, v), [m, v])
                })
            }
            (Rule::Adam, [mean, square, largest]) => {
                each(parameters, gradients, [mean, square, largest], move |p, g, [m, v, most]| {
                    let (m, v) = of.moments(of.gradient(p, g), m, v);
                    // A NaN stays, as in torch.maximum.
                    let most = if v > most || v.is_nan() { v } else { most };
                    (of.adam(p, m, most), [m, v, most])
                });
            }
            (Rule::Rmsprop, [square]) => each(parameters, gradients, [square], move |p, g, [v]| {
                let g = of.gradient(p, g);
                let v = of.second(g, v);
                (p - of.step_size * g / of.root(v), [v])
            }),
            (Rule::Rmsprop, [square, mean]) if of.is_centered => {
                each(parameters, gradients, [square, mean], move |p, g, [v, m]| {
                    let g = of.gradient(p, g);
                    let (m, v) = of.moments(g, m, v);
                    (p - of.step_size * g / of.root(variance(v, m)), [v, m])
                });
            }
            (Rule::Rmsprop, [square, buffer]) => {
                each(parameters, gradients, [square, buffer], move |p, g, [v, b]| {
                    let g = of.gradient(p, g);
                    let v = of.second(g, v);
                    let b = b * of.momentum + g / of.root(v);
                    (p - of.step_size * b, [v, b])
                })
            }
            (Rule::Rmsprop, [square, buffer, mean]) => {
                each(parameters, gradients, [square, buffer, mean], move |p, g, [v, b, m]| {
                    let g = of.gradient(p, g);
                    let (m, v) = of.moments(g, m, v);
                    let b = b * of.momentum + g / of.root(variance(v, m));
                    (p - of.step_size * b, [v, b, m])
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

/// Parameters that are worth a thread.
const PARAMETERS_OF_A_THREAD: usize = 1 << 17;

/// Replaces each parameter and its numbers of the state.
fn each<T: Float, const S: usize>(
    parameters: &mut [T],
    gradients: &[T],
    state: [&mut &mut [T]; S],
    update: impl Fn(T, T, [T; S]) -> (T, [T; S]) + Copy + Send + Sync,
) {
    parts(parameters, gradients, state.map(|array| &mut **array), update);
}

/// The same, halves of many parameters on threads of their own.
fn parts<T: Float, const S: usize>(
    parameters: &mut [T],
    gradients: &[T],
    mut state: [&mut [T]; S],
    update: impl Fn(T, T, [T; S]) -> (T, [T; S]) + Copy + Send + Sync,
) {
    let count = parameters.len();
    if count >= 2 * PARAMETERS_OF_A_THREAD {
        let half = count / 2;
        let (first, second) = parameters.split_at_mut(half);
        let (of_first, of_second) = gradients.split_at(half);
        let mut seconds = [const { None }; S];
        let firsts = std::array::from_fn(|array| {
            let (one, other) = std::mem::take(&mut state[array]).split_at_mut(half);
            seconds[array] = Some(other);
            one
        });
        let seconds = seconds.map(|part| part.expect("each array has two parts"));
        rayon::join(|| parts(first, of_first, firsts, update), || parts(second, of_second, seconds, update));
        return;
    }
    // With this machine's vectors.
    pulp::Arch::new().dispatch(
        #[inline(always)]
        move || one_by_one(parameters, gradients, state, update),
    );
}

#[inline(always)]
fn one_by_one<T: Float, const S: usize>(
    parameters: &mut [T],
    gradients: &[T],
    state: [&mut [T]; S],
    update: impl Fn(T, T, [T; S]) -> (T, [T; S]),
) {
    let count = parameters.len();
    let (gradients, mut state) = (&gradients[..count], state.map(|array| &mut array[..count]));
    for index in 0..count {
        let old = std::array::from_fn(|array| state[array][index]);
        let (next, new) = update(parameters[index], gradients[index], old);
        parameters[index] = next;
        for (array, number) in state.iter_mut().zip(new) {
            array[index] = number;
        }
    }
}
