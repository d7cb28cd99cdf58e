//! Losses that compare each prediction with its number.

use super::{Case, Sum, narrow, weighted, wide};
use crate::Float;
use ndarray::{Array3, s};

/// p y softplus(-x) + (1 - y) softplus(x), with positive weight p.
pub(super) fn binary<T: Float>(
    positive_weights: Option<&[f32]>,
    case: &Case<'_, T>,
    gradient: &mut Array3<T>,
) -> Sum {
    let is_right = |x: f64, y: f64| !x.is_nan() && (x > 0.0) == (y > 0.5);
    evaluate(case, gradient, Some(&is_right), |output, x, y| {
        let positive = y * positive_weights.map_or(1.0, |weights| f64::from(weights[output]));
        let negative = 1.0 - y;
        let (slope_up, slope_down) = (sigmoid(x), sigmoid(-x));
        let loss = weighted(positive, softplus(-x)) + weighted(negative, softplus(x));
        (loss, negative * slope_up - positive * slope_down)
    })
}

pub(super) fn mean_squared<T: Float>(case: &Case<'_, T>, gradient: &mut Array3<T>) -> Sum {
    evaluate(case, gradient, None, |_, x, y| ((x - y) * (x - y), 2.0 * (x - y)))
}

pub(super) fn huber<T: Float>(delta: f64, case: &Case<'_, T>, gradient: &mut Array3<T>) -> Sum {
    evaluate(case, gradient, None, |_, x, y| {
        let d = x - y;
        if d.abs() > delta { (delta * (d.abs() - 0.5 * delta), delta * d.signum()) } else { (0.5 * d * d, d) }
    })
}

/// Whether a prediction is right about its target.
type IsRight<'a> = &'a dyn Fn(f64, f64) -> bool;

/// The mean over all outputs of valid predictions, by a function from output, prediction and target to a loss
/// and its slope.
fn evaluate<T: Float>(
    case: &Case<'_, T>,
    gradient: &mut Array3<T>,
    is_right: Option<IsRight<'_>>,
    loss: impl Fn(usize, f64, f64) -> (f64, f64),
) -> Sum {
    let rows = case.valid().count();
    let divisor = rows as f64 * case.predictions.dim().2 as f64;
    let mut sum = Sum { loss: 0.0, rows, right: 0, divisor };
    for (t, n) in case.valid() {
        let Some(targets) = case.targets.numbers(t, n) else { continue };
        let row = case.row(t, n);
        let mut by = gradient.slice_mut(s![t, n, ..]);
        let mut all_right = is_right.is_some();
        for (output, ((&x, &y), by)) in row.iter().zip(&targets).zip(&mut by).enumerate() {
            let (x, y) = (wide(x), f64::from(y));
            let (own, slope) = loss(output, x, y);
            sum.loss += own;
            *by = narrow(slope / divisor);
            all_right &= is_right.is_some_and(|is_right| is_right(x, y));
        }
        sum.right += usize::from(all_right);
    }
    if sum.rows > 0 {
        sum.loss /= divisor;
    }
    sum
}

/// log(1 + exp(x)), without an exp that overflows
fn softplus(x: f64) -> f64 {
    let smaller = (-x.abs()).exp().ln_1p();
    if x > 0.0 { x + smaller } else { smaller }
}

/// 1 / (1 + exp(-x)), without an exp that overflows
fn sigmoid(x: f64) -> f64 {
    let y = (-x.abs()).exp();
    if x < 0.0 { y / (1.0 + y) } else { 1.0 / (1.0 + y) }
}
