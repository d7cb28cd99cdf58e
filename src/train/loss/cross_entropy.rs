//! Softmax cross-entropy.

use super::{Case, Sum, largest, log_softmax, narrow, weighted, wide};
use crate::Float;
use ndarray::{Array1, Array3, s};

pub(super) struct Settings<'a> {
    pub class_weights: Option<&'a [f32]>,
    pub ignored: i32,
    /// The share of a target that is spread over all classes.
    pub smoothing: f64,
}

impl Settings<'_> {
    /// With weights w, share e, class y and p = softmax(x), a row's loss is
    /// -(1 - e) w_y log p_y - e / C sum_k w_k log p_k, and the divisor of all rows the sum of w_y.
    pub fn evaluate<T: Float>(&self, case: &Case<'_, T>, gradient: &mut Array3<T>) -> Sum {
        let classes = case.predictions.dim().2;
        let weights: Vec<f64> =
            (0..classes).map(|k| self.class_weights.map_or(1.0, |weights| f64::from(weights[k]))).collect();
        let all: f64 = weights.iter().sum();
        let spread = self.smoothing / classes as f64;
        let divisor: f64 = self.rows(case).map(|(_, class)| weights[class]).sum();

        let mut sum = Sum { loss: 0.0, rows: 0, right: 0, divisor };
        let mut log = Array1::zeros(classes);
        for ((t, n), class) in self.rows(case) {
            log.zip_mut_with(&case.row(t, n), |log, &x| *log = wide(x));
            log_softmax(log.view_mut());
            sum.rows += 1;
            let has_nan = log.iter().any(|log| log.is_nan());
            sum.right += usize::from(!has_nan && largest(log.iter().copied()) == class);
            if divisor == 0.0 {
                continue;
            }
            let own = (1.0 - self.smoothing) * weights[class];
            let others = log.iter().zip(&weights).map(|(&log, weight)| weighted(spread * weight, log));
            sum.loss -= weighted(own, log[class]) + others.sum::<f64>();
            for (k, by) in gradient.slice_mut(s![t, n, ..]).iter_mut().enumerate() {
                let target = if k == class { own } else { 0.0 } + spread * weights[k];
                *by = narrow((log[k].exp() * (own + spread * all) - target) / divisor);
            }
        }
        if divisor > 0.0 {
            sum.loss /= divisor;
        }
        sum
    }

    /// t, n and the class of every valid prediction.
    fn rows<T: Float>(&self, case: &Case<'_, T>) -> impl Iterator<Item = ((usize, usize), usize)> {
        case.valid().filter_map(|(t, n)| {
            let class = case.targets.class(t, n).filter(|&class| class != self.ignored)?;
            Some(((t, n), usize::try_from(class).ok()?))
        })
    }
}
