//! Connectionist temporal classification (Graves et al. 2006), by logarithms of probabilities.

use super::{Case, Sum, argmax, log_softmax, narrow, wide};
use crate::train::Targets;
use crate::train::lengths::Lengths;
use crate::{Error, Float, Result, memory};
use ndarray::{Array2, Array3, ArrayRef2, ArrayRef3, ArrayViewMut2, s};

const NEVER: f64 = f64::NEG_INFINITY;

/// The labels that the best class of every step gives: repeats are one class, and blanks are left out.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::train::greedy_decode;
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let best = [1, 1, 0, 1, 2]; // of one sequence, 0 the blank
/// let predictions = Array3::from_shape_fn((5, 1, 3), |(t, _, c)| if c == best[t] { 1.0_f32 } else { 0.0 });
/// assert_eq!(greedy_decode(&predictions, 0, None)?, [[1, 1, 2]]);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`Error::Argument`] for a blank that is no class, and for lengths that do not fit.
pub fn greedy_decode<T: Float>(
    predictions: &ArrayRef3<T>,
    blank: usize,
    lengths: Option<&[usize]>,
) -> Result<Vec<Vec<i32>>> {
    let (steps, batch, classes) = predictions.dim();
    let lengths = Lengths::checked(lengths, Some(steps), batch)?;
    if blank >= classes {
        let (expected, found) = (format!("a class below {classes}"), blank.to_string());
        return Err(Error::Argument { name: "blank", expected, found });
    }
    let best = argmax(predictions);
    let label = |n: usize| {
        let mut classes: Vec<usize> = (0..lengths.of(n, steps)).map(|t| best[[t, n]]).collect();
        classes.dedup();
        classes.retain(|&class| class != blank);
        classes.into_iter().map(|class| i32::try_from(class).unwrap_or(i32::MAX)).collect()
    };
    Ok((0..batch).map(label).collect())
}

pub(super) fn evaluate<T: Float>(
    blank: usize,
    zero_infinity: bool,
    case: &Case<'_, T>,
    gradient: &mut Array3<T>,
) -> Result<Sum> {
    let (steps, _, classes) = case.predictions.dim();
    let mut sum = Sum { loss: 0.0, rows: 0, right: 0, divisor: 0.0 };
    let Targets::Labels(labels) = case.targets else { return Ok(sum) };
    let sequences = || {
        let all = labels.iter().enumerate().map(|(n, label)| (n, label, case.lengths.of(n, steps)));
        all.filter(|(_, label, length)| *length > 0 || !label.is_empty())
    };
    sum.rows = sequences().count();
    sum.divisor = sum.rows as f64;
    for (n, label, length) in sequences() {
        let path = Path { label, blank };
        for shape in [[length, classes], [length, path.len()]] {
            memory::check::<f64>(|| format!("the log probabilities of a sequence {shape:?}"), &shape)?;
        }
        let mut log = case.predictions.slice(s![..length, n, ..]).mapv(wide);
        log.rows_mut().into_iter().for_each(log_softmax);
        let alphas = path.alphas(&log);
        let likelihood = path.likelihood(&alphas);
        let divisor = label.len().max(1) as f64 * sum.rows as f64;
        let mut by = gradient.slice_mut(s![..length, n, ..]);
        if likelihood == NEVER && zero_infinity {
            continue;
        }
        sum.loss -= likelihood / divisor;
        if likelihood.is_finite() {
            path.gradient(&log, &alphas, likelihood, divisor, by);
        } else {
            by.fill(T::nan());
        }
    }
    Ok(sum)
}

/// The label with blanks before, between and behind its classes.
struct Path<'a> {
    label: &'a [i32],
    blank: usize,
}

impl Path<'_> {
    fn len(&self) -> usize {
        2 * self.label.len() + 1
    }

    /// The class at a place.
    fn class(&self, place: usize) -> usize {
        // Classes were found to be at least 0.
        if place.is_multiple_of(2) { self.blank } else { self.label[place / 2] as usize }
    }

    /// Whether a path may go to this place from two places before.
    fn skips_to(&self, place: usize) -> bool {
        place >= 2 && place % 2 == 1 && self.label[place / 2] != self.label[place / 2 - 1]
    }

    /// The log probability of all beginnings that are at a place after a step, this step included:
    /// `[T, places]`.
    fn alphas(&self, log: &ArrayRef2<f64>) -> Array2<f64> {
        let mut alphas = Array2::from_elem((log.nrows(), self.len()), NEVER);
        for t in 0..log.nrows() {
            for place in 0..self.len() {
                let before = |back: usize| if place >= back { alphas[[t - 1, place - back]] } else { NEVER };
                let sum = match t {
                    0 if place < 2 => 0.0,
                    0 => NEVER,
                    _ => {
                        let skipped = if self.skips_to(place) { before(2) } else { NEVER };
                        log_sum([before(0), before(1), skipped])
                    }
                };
                alphas[[t, place]] = sum + log[[t, self.class(place)]];
            }
        }
        alphas
    }

    /// The log probability of the label.
    fn likelihood(&self, alphas: &ArrayRef2<f64>) -> f64 {
        let Some(last) = alphas.nrows().checked_sub(1) else {
            return if self.label.is_empty() { 0.0 } else { NEVER };
        };
        let end = self.len() - 1;
        let before = if end > 0 { alphas[[last, end - 1]] } else { NEVER };
        log_sum([alphas[[last, end]], before, NEVER])
    }

    /// The softmax minus the expected share of each class in each step.
    fn gradient<T: Float>(
        &self,
        log: &ArrayRef2<f64>,
        alphas: &ArrayRef2<f64>,
        likelihood: f64,
        divisor: f64,
        mut gradient: ArrayViewMut2<'_, T>,
    ) {
        let places = self.len();
        // The log probability of all endings from a place on, this step left out.
        let mut betas: Vec<f64> =
            (0..places).map(|place| if place + 2 >= places { 0.0 } else { NEVER }).collect();
        let mut shares = vec![0.0; log.ncols()];
        for t in (0..log.nrows()).rev() {
            shares.fill(0.0);
            for (place, beta) in betas.iter().enumerate() {
                shares[self.class(place)] += (alphas[[t, place]] + beta - likelihood).exp();
            }
            for ((by, share), log) in gradient.row_mut(t).iter_mut().zip(&shares).zip(log.row(t)) {
                *by = narrow((log.exp() - share) / divisor);
            }
            for place in 0..places {
                // Places from this one on are still those of step t.
                let after = |on: usize| match betas.get(place + on) {
                    Some(beta) => beta + log[[t, self.class(place + on)]],
                    None => NEVER,
                };
                let skipped = if place + 2 < places && self.skips_to(place + 2) { after(2) } else { NEVER };
                betas[place] = log_sum([after(0), after(1), skipped]);
            }
        }
    }
}

/// log(exp(a) + exp(b) + exp(c)); NaN where one of them is NaN
fn log_sum(terms: [f64; 3]) -> f64 {
    let most = terms.into_iter().fold(NEVER, f64::max);
    if most == NEVER {
        // All are minus infinity, or NaN.
        return terms.iter().sum();
    }
    most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln()
}
