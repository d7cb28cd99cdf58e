//! The targets of predictions.

use super::lengths::Lengths;
use super::loss::{Kind, Loss};
use crate::{Error, Result};
use ndarray::{Array2, Array3, ArrayView1, Axis, s};

/// The targets of a batch's predictions. Arrays are time first, whatever the network's layout. Targets past
/// the end of their sequence may be anything.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Targets {
    /// A class per sequence, N of them.
    Classes(Vec<i32>),
    /// A class per step, `[T, N]`.
    StepClasses(Array2<i32>),
    /// Numbers per sequence, `[N, C]`.
    Numbers(Array2<f32>),
    /// Numbers per step, `[T, N, C]`.
    StepNumbers(Array3<f32>),
    /// A label per sequence, N of them, each a string of classes without blanks.
    Labels(Vec<Vec<i32>>),
}

impl Targets {
    /// The class of a prediction.
    pub(super) fn class(&self, t: usize, n: usize) -> Option<i32> {
        match self {
            Targets::Classes(classes) => classes.get(n).copied(),
            Targets::StepClasses(classes) => classes.get((t, n)).copied(),
            _ => None,
        }
    }

    /// The numbers of a prediction.
    pub(super) fn numbers(&self, t: usize, n: usize) -> Option<ArrayView1<'_, f32>> {
        match self {
            Targets::Numbers(numbers) => Some(numbers.index_axis(Axis(0), n)),
            Targets::StepNumbers(numbers) => Some(numbers.slice(s![t, n, ..])),
            _ => None,
        }
    }

    /// The name and shape, for errors.
    fn description(&self) -> String {
        match self {
            Targets::Classes(classes) => format!("classes per sequence [{}]", classes.len()),
            Targets::StepClasses(classes) => format!("classes per step {:?}", classes.shape()),
            Targets::Numbers(numbers) => format!("numbers per sequence {:?}", numbers.shape()),
            Targets::StepNumbers(numbers) => format!("numbers per step {:?}", numbers.shape()),
            Targets::Labels(labels) => format!("labels of {} sequences", labels.len()),
        }
    }
}

impl Loss {
    /// Checks the targets of predictions `[T, N, C]`; T is 1 for one prediction per sequence.
    ///
    /// # Errors
    /// [`Error::Setting`] for a loss that C predictions cannot have, [`Error::Argument`] for targets and
    /// lengths that do not fit the loss and the predictions.
    pub fn check_targets(
        &self,
        targets: &Targets,
        [steps, batch, outputs]: [usize; 3],
        lengths: Option<&[usize]>,
    ) -> Result<()> {
        self.check_outputs(outputs)?;
        let lengths = checked_lengths(lengths, [steps, batch])?;
        self.check_shape(targets, [steps, batch, outputs])?;
        match (self.kind(), targets) {
            (Kind::Ctc { blank, .. }, Targets::Labels(labels)) => check_labels(labels, *blank, outputs),
            (Kind::CrossEntropy { ignored, .. }, _) => {
                let is_class = |class: i32| usize::try_from(class).is_ok_and(|class| class < outputs);
                check_each(targets, [steps, batch], lengths, |t, n| {
                    let class = targets.class(t, n).filter(|&class| class != *ignored && !is_class(class))?;
                    Some((
                        format!("a class from 0 to {} or {ignored} (ignored)", outputs - 1),
                        class.to_string(),
                    ))
                })
            }
            (kind, _) => {
                let is_share = matches!(kind, Kind::BinaryCrossEntropy { .. });
                let fits = |number: f32| {
                    if is_share { (0.0..=1.0).contains(&number) } else { number.is_finite() }
                };
                check_each(targets, [steps, batch], lengths, |t, n| {
                    let numbers = targets.numbers(t, n)?;
                    let (output, number) = numbers.iter().enumerate().find(|&(_, &number)| !fits(number))?;
                    let expected = if is_share { "a number from 0 to 1" } else { "a finite number" };
                    Some((format!("{expected} for output {output}"), number.to_string()))
                })
            }
        }
    }

    fn check_shape(&self, targets: &Targets, [steps, batch, outputs]: [usize; 3]) -> Result<()> {
        let is_one = steps == 1;
        let (fits, expected) = match (self.kind(), targets) {
            (Kind::Ctc { .. }, Targets::Labels(labels)) => {
                (labels.len() == batch, format!("labels of {batch} sequences"))
            }
            (Kind::Ctc { .. }, _) => (false, format!("labels of {batch} sequences")),
            (Kind::CrossEntropy { .. }, _) => {
                let fits = match targets {
                    Targets::Classes(classes) => is_one && classes.len() == batch,
                    Targets::StepClasses(classes) => classes.dim() == (steps, batch),
                    _ => false,
                };
                let per_step = format!("classes per step [{steps}, {batch}]");
                (fits, if is_one { format!("classes per sequence [{batch}]") } else { per_step })
            }
            _ => {
                let fits = match targets {
                    Targets::Numbers(numbers) => is_one && numbers.dim() == (batch, outputs),
                    Targets::StepNumbers(numbers) => numbers.dim() == (steps, batch, outputs),
                    _ => false,
                };
                let per_step = format!("numbers per step [{steps}, {batch}, {outputs}]");
                (fits, if is_one { format!("numbers per sequence [{batch}, {outputs}]") } else { per_step })
            }
        };
        if fits { Ok(()) } else { refuse(expected, targets.description()) }
    }
}

/// Lengths of predictions. One prediction per sequence does not tell T.
pub(super) fn checked_lengths(lengths: Option<&[usize]>, [steps, batch]: [usize; 2]) -> Result<Lengths<'_>> {
    Lengths::checked(lengths, (steps != 1).then_some(steps), batch)
}

/// Looks for a fault, an expectation and a finding, in the targets of all valid predictions.
fn check_each(
    targets: &Targets,
    [steps, batch]: [usize; 2],
    lengths: Lengths<'_>,
    fault: impl Fn(usize, usize) -> Option<(String, String)>,
) -> Result<()> {
    let is_per_step = matches!(targets, Targets::StepClasses(_) | Targets::StepNumbers(_));
    for t in 0..steps {
        for n in (0..batch).filter(|&n| lengths.contains(t, n)) {
            if let Some((expected, found)) = fault(t, n) {
                let step = if is_per_step { format!("step {t} of ") } else { String::new() };
                return refuse(format!("{expected} at {step}sequence {n}"), found);
            }
        }
    }
    Ok(())
}

fn check_labels(labels: &[Vec<i32>], blank: usize, outputs: usize) -> Result<()> {
    let is_class = |class: i32| usize::try_from(class).is_ok_and(|class| class < outputs && class != blank);
    for (n, label) in labels.iter().enumerate() {
        if let Some(place) = label.iter().position(|&class| !is_class(class)) {
            let last = outputs - 1;
            let expected = format!("a class from 0 to {last} but {blank} (blank) at {place} of sequence {n}");
            return refuse(expected, label[place].to_string());
        }
    }
    Ok(())
}

fn refuse(expected: String, found: String) -> Result<()> {
    Err(Error::Argument { name: "targets", expected, found })
}
