//! The loss of predictions, and its gradient by them.

mod cross_entropy;
mod ctc;
mod elementwise;

pub use ctc::greedy_decode;

use super::lengths::Lengths;
use super::targets::checked_lengths;
use super::{Head, Reads, Targets};
use crate::{Error, Float, Result, memory};
use ndarray::{Array2, Array3, ArrayRef3, ArrayView1, ArrayViewMut1, s};

/// A loss of predictions `[T, N, C]`, a mean over valid predictions. T is 1 for one prediction per sequence.
///
/// Predictions past the end of their sequence are not valid, nor is the prediction of a sequence of length 0.
/// The loss of a batch without a valid prediction is 0, and so is its gradient.
///
/// | loss | PyTorch | targets |
/// |---|---|---|
/// | [`cross_entropy`](Loss::cross_entropy) | `CrossEntropyLoss` | classes |
/// | [`binary_cross_entropy`](Loss::binary_cross_entropy) | `BCEWithLogitsLoss` | numbers from 0 to 1 |
/// | [`mean_squared`](Loss::mean_squared) | `MSELoss` | numbers |
/// | [`huber`](Loss::huber) | `HuberLoss` | numbers |
/// | [`ctc`](Loss::ctc) | `CTCLoss` of a `log_softmax` | labels |
///
/// ```
/// use ndarray::array;
/// use wgpu_rnn::train::{Loss, Targets};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let predictions = array![[[2.0_f32, 0.0, 0.0], [0.0, 0.0, 0.0]]]; // T 1, N 2, C 3
/// let loss = Loss::cross_entropy().label_smoothing(0.1);
/// let value = loss.evaluate(&predictions, &Targets::Classes(vec![0, 2]), None)?;
/// assert_eq!(value.gradient.dim(), (1, 2, 3));
/// assert_eq!((value.rows, value.right), (2, 1));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    kind: Kind,
    /// A setting that was set, and that a loss of this kind does not have.
    misplaced: Option<&'static str>,
}

/// The losses, and the settings of each.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    CrossEntropy { class_weights: Option<Vec<f32>>, ignored: i32, label_smoothing: f32 },
    BinaryCrossEntropy { positive_weights: Option<Vec<f32>> },
    MeanSquared,
    Huber { delta: f32 },
    Ctc { blank: usize, zero_infinity: bool },
}

/// A loss, and its gradient by predictions.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct LossValue<T = f32> {
    /// The mean.
    pub loss: T,
    /// The gradient by predictions, `[T, N, C]`; zero for predictions that are not valid.
    pub gradient: Array3<T>,
    /// Valid predictions, ignored classes left out; of a [`ctc`](Loss::ctc) sequences.
    pub rows: usize,
    /// The divisor of the mean: rows; of a [`cross_entropy`](Loss::cross_entropy) the sum of the weights of
    /// their classes; of a loss that compares numbers, the numbers of all rows. Means of several batches,
    /// each times its divisor, over the sum of divisors are the mean of all.
    pub divisor: f64,
    /// Rows whose largest prediction is that of the class, the first of several; of a
    /// [`binary_cross_entropy`](Loss::binary_cross_entropy) rows where each prediction is over 0 if and only
    /// if its target is over 0.5; 0 of another loss.
    pub right: usize,
}

impl Loss {
    /// Softmax cross-entropy of classes.
    ///
    /// The mean is weighted by the weights of the targets' classes. The loss of a batch where these are all 0
    /// is 0, and so is its gradient (PyTorch: NaN).
    pub fn cross_entropy() -> Loss {
        Loss::of(Kind::CrossEntropy { class_weights: None, ignored: -100, label_smoothing: 0.0 })
    }

    /// Binary cross-entropy of each output by itself. Predictions are logits. The mean is over all outputs.
    pub fn binary_cross_entropy() -> Loss {
        Loss::of(Kind::BinaryCrossEntropy { positive_weights: None })
    }

    /// The squared difference, a mean over all outputs.
    pub fn mean_squared() -> Loss {
        Loss::of(Kind::MeanSquared)
    }

    /// Half the square of a difference d up to delta, and delta (|d| - delta / 2) beyond; a mean over all
    /// outputs.
    pub fn huber(delta: f32) -> Loss {
        Loss::of(Kind::Huber { delta })
    }

    /// Connectionist temporal classification (Graves et al. 2006) of predictions of every step. Predictions
    /// are logits, and class `blank` is the blank.
    ///
    /// The loss of a sequence is divided by the length of its label, or by 1 for an empty label. The mean is
    /// over sequences. A sequence of length 0 with an empty label is not valid.
    ///
    /// A label needs a step for each class, and a step more between two equal classes. The loss of a sequence
    /// that is too short for its label is infinite, and its gradient NaN, unless
    /// [`zero_infinity`](Loss::zero_infinity) is set.
    pub fn ctc(blank: usize) -> Loss {
        Loss::of(Kind::Ctc { blank, zero_infinity: false })
    }

    /// Sets the weight of each class in a [`cross_entropy`](Loss::cross_entropy), C of them (1 by default).
    #[must_use]
    pub fn class_weights(mut self, weights: impl Into<Vec<f32>>) -> Loss {
        match &mut self.kind {
            Kind::CrossEntropy { class_weights, .. } => *class_weights = Some(weights.into()),
            _ => self.misplaced = Some("class_weights"),
        }
        self
    }

    /// Sets the class that a [`cross_entropy`](Loss::cross_entropy) ignores (-100 by default): a prediction
    /// with this target is not valid.
    #[must_use]
    pub fn ignored(mut self, class: i32) -> Loss {
        match &mut self.kind {
            Kind::CrossEntropy { ignored, .. } => *ignored = class,
            _ => self.misplaced = Some("ignored"),
        }
        self
    }

    /// Sets the share of a target that a [`cross_entropy`](Loss::cross_entropy) spreads over all classes,
    /// from 0 (by default) to 1 (Szegedy et al. 2016).
    #[must_use]
    pub fn label_smoothing(mut self, share: f32) -> Loss {
        match &mut self.kind {
            Kind::CrossEntropy { label_smoothing, .. } => *label_smoothing = share,
            _ => self.misplaced = Some("label_smoothing"),
        }
        self
    }

    /// Sets the weight of each output's positive targets in a
    /// [`binary_cross_entropy`](Loss::binary_cross_entropy), C of them (1 by default; PyTorch's
    /// `pos_weight`).
    #[must_use]
    pub fn positive_weights(mut self, weights: impl Into<Vec<f32>>) -> Loss {
        match &mut self.kind {
            Kind::BinaryCrossEntropy { positive_weights } => *positive_weights = Some(weights.into()),
            _ => self.misplaced = Some("positive_weights"),
        }
        self
    }

    /// Sets infinite losses of a [`ctc`](Loss::ctc) to 0, and their gradients too. The sequence still counts
    /// in the mean.
    #[must_use]
    pub fn zero_infinity(mut self) -> Loss {
        match &mut self.kind {
            Kind::Ctc { zero_infinity, .. } => *zero_infinity = true,
            _ => self.misplaced = Some("zero_infinity"),
        }
        self
    }

    fn of(kind: Kind) -> Loss {
        Loss { kind, misplaced: None }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The name of the constructor.
    pub fn name(&self) -> &'static str {
        match self.kind {
            Kind::CrossEntropy { .. } => "cross_entropy",
            Kind::BinaryCrossEntropy { .. } => "binary_cross_entropy",
            Kind::MeanSquared => "mean_squared",
            Kind::Huber { .. } => "huber",
            Kind::Ctc { .. } => "ctc",
        }
    }

    /// Checks the settings for the predictions of a head.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that the loss, or the head's number of outputs, cannot have, and for a
    /// [`ctc`](Loss::ctc) of a head that does not read every step.
    pub fn check(&self, head: &Head) -> Result<()> {
        self.check_outputs(head.outputs())?;
        if matches!(self.kind, Kind::Ctc { .. }) && head.reads() != Reads::EveryStep {
            return refuse("ctc", "a head that reads every step".into(), format!("{:?}", head.reads()));
        }
        Ok(())
    }

    /// Checks the settings for C outputs.
    pub(super) fn check_outputs(&self, outputs: usize) -> Result<()> {
        if let Some(name) = self.misplaced {
            return refuse(name, "a loss that has this setting".into(), self.name().into());
        }
        if outputs == 0 {
            return refuse("outputs", "at least 1".into(), "0".into());
        }
        let check_weights = |name, weights: &Option<Vec<f32>>| {
            let Some(weights) = weights else { return Ok(()) };
            if weights.len() != outputs {
                let expected = format!("{outputs}, one for each output");
                return refuse(name, expected, weights.len().to_string());
            }
            match weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
                Some(place) => {
                    refuse(name, format!("a number from 0 on at {place}"), weights[place].to_string())
                }
                None => Ok(()),
            }
        };
        match &self.kind {
            Kind::CrossEntropy { label_smoothing: share, .. } if !(0.0..=1.0).contains(share) => {
                refuse("label_smoothing", "a number from 0 to 1".into(), share.to_string())
            }
            Kind::CrossEntropy { class_weights, .. } => check_weights("class_weights", class_weights),
            Kind::BinaryCrossEntropy { positive_weights } => {
                check_weights("positive_weights", positive_weights)
            }
            Kind::Huber { delta } if !(delta.is_finite() && *delta > 0.0) => {
                refuse("delta", "a number over 0".into(), delta.to_string())
            }
            Kind::Ctc { blank, .. } if *blank >= outputs => {
                refuse("blank", format!("a class from 0 to {}", outputs - 1), blank.to_string())
            }
            _ => Ok(()),
        }
    }

    /// The loss of predictions `[T, N, C]`, and its gradient by them. Without lengths, every sequence has T
    /// steps.
    ///
    /// All is computed in f64 and rounded once, whatever `T` is. A prediction that is NaN makes the loss NaN,
    /// and the gradient by its own row; of a [`ctc`](Loss::ctc), by its own sequence.
    ///
    /// # Errors
    /// The errors of [`check_targets`](Loss::check_targets); [`Error::Memory`] and [`Error::TooLarge`] for
    /// arrays that memory cannot hold.
    pub fn evaluate<T: Float>(
        &self,
        predictions: &ArrayRef3<T>,
        targets: &Targets,
        lengths: Option<&[usize]>,
    ) -> Result<LossValue<T>> {
        let (steps, batch, outputs) = predictions.dim();
        self.check_targets(targets, [steps, batch, outputs], lengths)?;
        let lengths = checked_lengths(lengths, [steps, batch])?;
        memory::check::<T>(|| "the gradient by predictions".into(), predictions.shape())?;
        let mut gradient = Array3::zeros(predictions.dim());
        let case = Case { predictions, targets, lengths };
        let Sum { loss, rows, right, divisor } = match &self.kind {
            Kind::CrossEntropy { class_weights, ignored, label_smoothing } => {
                let class_weights = class_weights.as_deref();
                let settings = cross_entropy::Settings {
                    class_weights,
                    ignored: *ignored,
                    smoothing: f64::from(*label_smoothing),
                };
                settings.evaluate(&case, &mut gradient)
            }
            Kind::BinaryCrossEntropy { positive_weights } => {
                elementwise::binary(positive_weights.as_deref(), &case, &mut gradient)
            }
            Kind::MeanSquared => elementwise::mean_squared(&case, &mut gradient),
            Kind::Huber { delta } => elementwise::huber(f64::from(*delta), &case, &mut gradient),
            Kind::Ctc { blank, zero_infinity } => {
                ctc::evaluate(*blank, *zero_infinity, &case, &mut gradient)?
            }
        };
        Ok(LossValue { loss: narrow(loss), gradient, rows, right, divisor })
    }
}

/// The class of the largest prediction of each row, `[T, N]`: the first of several. NaN is never the largest,
/// and a row of nothing else has class 0.
///
/// ```
/// use ndarray::array;
/// use wgpu_rnn::train::argmax;
///
/// assert_eq!(argmax(&array![[[0.5_f32, 2.0, -1.0], [3.0, 3.0, f32::NAN]]]), array![[1, 0]]);
/// ```
pub fn argmax<T: Float>(predictions: &ArrayRef3<T>) -> Array2<usize> {
    let (steps, batch, _) = predictions.dim();
    Array2::from_shape_fn((steps, batch), |(t, n)| {
        let row = predictions.slice(s![t, n, ..]);
        largest(row.iter().map(|&number| wide(number)))
    })
}

/// The predictions and targets of a loss, checked.
struct Case<'a, T> {
    predictions: &'a ArrayRef3<T>,
    targets: &'a Targets,
    lengths: Lengths<'a>,
}

impl<T: Float> Case<'_, T> {
    /// t and n of every prediction that is not past the end of its sequence.
    fn valid(&self) -> impl Iterator<Item = (usize, usize)> {
        let (steps, batch, _) = self.predictions.dim();
        let all = (0..steps).flat_map(move |t| (0..batch).map(move |n| (t, n)));
        all.filter(|&(t, n)| self.lengths.contains(t, n))
    }

    fn row(&self, t: usize, n: usize) -> ArrayView1<'_, T> {
        self.predictions.slice(s![t, n, ..])
    }
}

/// A loss without its gradient, in f64.
struct Sum {
    loss: f64,
    rows: usize,
    right: usize,
    divisor: f64,
}

/// The logarithm of the softmax of numbers, in place.
fn log_softmax(mut row: ArrayViewMut1<'_, f64>) {
    let most = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let log = row.iter().map(|x| (x - most).exp()).sum::<f64>().ln();
    row.mapv_inplace(|x| (x - most) - log);
}

/// A weight times a number; 0 times infinity is 0, and 0 times NaN is NaN.
fn weighted(weight: f64, number: f64) -> f64 {
    if weight == 0.0 && number.is_infinite() { 0.0 } else { weight * number }
}

/// The place of the largest number, the first of several.
fn largest(row: impl Iterator<Item = f64>) -> usize {
    let larger = |best: (usize, f64), next: (usize, f64)| if next.1 > best.1 { next } else { best };
    row.enumerate().fold((0, f64::NEG_INFINITY), larger).0
}

fn wide<T: Float>(number: T) -> f64 {
    number.to_f64().expect("a float converts to a float")
}

/// Rounds, to infinity at worst.
fn narrow<T: Float>(number: f64) -> T {
    T::from(number).expect("a float converts to a float")
}

fn refuse(name: &'static str, expected: String, found: String) -> Result<()> {
    Err(Error::Setting { name, expected, found })
}
