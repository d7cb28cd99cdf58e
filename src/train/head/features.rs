//! The features that a head reads, and the gradients by the arrays that they are read from.

use super::{HeadWeights, Reads, check_shape};
use crate::network::Merge;
use crate::train::lengths::Lengths;
use crate::{Error, Float, Output, OutputGradients, Result, memory};
use ndarray::{Array3, ArrayRef3, ArrayView1, Axis, CowArray, Ix3, concatenate, s};

/// The gradients of a loss by the arrays of a call that a head reads.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ReadGradients<T = f32> {
    /// By [`Output::output`].
    pub output: Option<Array3<T>>,
    /// By [`Output::output_reverse`].
    pub output_reverse: Option<Array3<T>>,
    /// By [`Output::h_n`].
    pub h_n: Option<Array3<T>>,
}

impl<T> ReadGradients<T> {
    /// The gradients as a backward pass takes them.
    pub fn gradients(&self) -> OutputGradients<'_, T> {
        let mut gradients = OutputGradients::new();
        if let Some(output) = &self.output {
            gradients = gradients.output(output);
        }
        if let Some(output_reverse) = &self.output_reverse {
            gradients = gradients.output_reverse(output_reverse);
        }
        if let Some(h_n) = &self.h_n {
            gradients = gradients.h_n(h_n);
        }
        gradients
    }
}

impl<T: Float> HeadWeights<T> {
    /// The features of a call's output, time first in every layout: `[T, N, F]` of every step, else
    /// `[1, N, F]`. Features past the end of a sequence are 0. The call gives back all steps, unless the head
    /// reads the last states.
    ///
    /// # Errors
    /// [`Error::Shape`] for an output of another network, [`Error::Argument`] for lengths that do not fit;
    /// [`Error::Memory`] and [`Error::TooLarge`] where memory cannot hold the features.
    pub fn features(&self, output: &Output<T>, lengths: Option<&[usize]>) -> Result<Array3<T>> {
        let Read { steps, lengths, shape } = self.read(output, lengths)?;
        memory::check::<T>(|| format!("features {shape:?}"), &shape)?;
        let mut features = Array3::zeros(shape);
        if self.head.reads == Reads::LastStates {
            let mut first = 0;
            for slot in self.network.top() {
                let last = first + slot.state_size;
                let states = output.h_n.slice(s![slot.index, .., ..slot.state_size]);
                features.slice_mut(s![0, .., first..last]).assign(&states);
                first = last;
            }
            return Ok(features);
        }
        let (count, batch, _) = steps.dim();
        for t in 0..count {
            for n in (0..batch).filter(|&n| lengths.contains(t, n)) {
                let step = steps.slice(s![t, n, ..]);
                let own = if self.head.reads == Reads::EveryStep { t } else { 0 };
                let mut row = features.slice_mut(s![own, n, ..]);
                row.zip_mut_with(&step, |feature, &number| match self.head.reads {
                    Reads::Mean => *feature = *feature + number,
                    Reads::Max if t > 0 && !exceeds(number, *feature) => {}
                    _ => *feature = number,
                });
            }
        }
        if self.head.reads == Reads::Mean {
            for (n, mut row) in features.index_axis_mut(Axis(0), 0).rows_mut().into_iter().enumerate() {
                let length = float::<T>(lengths.of(n, count).max(1));
                row.mapv_inplace(|sum| sum / length);
            }
        }
        Ok(features)
    }

    /// The gradients by the arrays that the features are read from, by the gradient by features.
    ///
    /// # Errors
    /// [`Error::Shape`] for a gradient that does not fit, and the errors of
    /// [`features`](HeadWeights::features).
    pub fn read_gradients(
        &self,
        output: &Output<T>,
        lengths: Option<&[usize]>,
        by_features: &ArrayRef3<T>,
    ) -> Result<ReadGradients<T>> {
        let Read { steps, lengths, shape } = self.read(output, lengths)?;
        check_shape("gradient by features", by_features.shape(), &shape)?;
        if self.head.reads == Reads::LastStates {
            memory::check::<T>(|| "the gradient by h_n".into(), output.h_n.shape())?;
            let mut h_n = Array3::zeros(output.h_n.dim());
            let mut first = 0;
            for slot in self.network.top() {
                let last = first + slot.state_size;
                let own = by_features.slice(s![0, .., first..last]);
                h_n.slice_mut(s![slot.index, .., ..slot.state_size]).assign(&own);
                first = last;
            }
            return Ok(ReadGradients { output: None, output_reverse: None, h_n: Some(h_n) });
        }
        memory::check::<T>(|| "the gradient by output".into(), steps.shape())?;
        let mut by_steps = Array3::zeros(steps.dim());
        let (count, batch, _) = steps.dim();
        for n in 0..batch {
            let length = lengths.of(n, count);
            let by = |t: usize| by_features.slice(s![t, n, ..]);
            match self.head.reads {
                Reads::Max if length > 0 => {
                    for (column, &by) in by(0).iter().enumerate() {
                        let first = first_maximum(steps.slice(s![..length, n, column]));
                        by_steps[[first, n, column]] = by;
                    }
                }
                Reads::Mean => {
                    let share = by(0).mapv(|by| by / float(length.max(1)));
                    for t in 0..length {
                        by_steps.slice_mut(s![t, n, ..]).assign(&share);
                    }
                }
                Reads::EveryStep => {
                    for t in 0..length {
                        by_steps.slice_mut(s![t, n, ..]).assign(&by(t));
                    }
                }
                _ => {}
            }
        }
        let layout = self.network.layout;
        let half = self.network.top()[0].state_size;
        let reverse = (self.network.merge == Merge::Apart)
            .then(|| layout.swap(by_steps.slice(s![.., .., half..]).to_owned()));
        if reverse.is_some() {
            by_steps = by_steps.slice(s![.., .., ..half]).to_owned();
        }
        Ok(ReadGradients { output: Some(layout.swap(by_steps)), output_reverse: reverse, h_n: None })
    }

    /// Checks the arrays of a call that the head reads.
    fn read<'a>(&self, output: &'a Output<T>, lengths: Option<&'a [usize]>) -> Result<Read<'a, T>> {
        let network = &self.network;
        let (_, batch, _) = output.h_n.dim();
        check_shape("h_n", output.h_n.shape(), &[network.slots.len(), batch, network.state_size()])?;
        let first = network.layout.swap(output.output.view());
        if self.head.reads == Reads::LastStates {
            let lengths = Lengths::checked(lengths, None, batch)?;
            return Ok(Read { steps: first.into(), lengths, shape: [1, batch, self.params.features()] });
        }
        let steps = match (network.merge, &output.output_reverse) {
            (Merge::Apart, Some(reverse)) if reverse.shape() == output.output.shape() => {
                memory::check::<T>(|| "the outputs side by side".into(), &[2, reverse.len()])?;
                let both = [first, network.layout.swap(reverse.view())];
                CowArray::from(concatenate(Axis(2), &both).expect("both have one shape"))
            }
            (Merge::Apart, _) => {
                let (expected, found) = ("one in the shape of output".into(), "none".into());
                return Err(Error::Argument { name: "output_reverse", expected, found });
            }
            _ => CowArray::from(first),
        };
        let count = steps.dim().0;
        check_shape("output", steps.shape(), &[count, batch, self.params.features()])?;
        let lengths = Lengths::checked(lengths, Some(count), batch)?;
        let rows = if self.head.reads == Reads::EveryStep { count } else { 1 };
        Ok(Read { steps, lengths, shape: [rows, batch, self.params.features()] })
    }
}

/// The arrays that features are read from, checked.
struct Read<'a, T> {
    /// The output of every step, `[T, N, C]`; directions that are apart stand side by side.
    steps: CowArray<'a, T, Ix3>,
    lengths: Lengths<'a>,
    /// The size of the features.
    shape: [usize; 3],
}

/// The place of the largest number, the first of several. NaN is larger than all.
fn first_maximum<T: Float>(numbers: ArrayView1<'_, T>) -> usize {
    (1..numbers.len()).fold(0, |best, next| if exceeds(numbers[next], numbers[best]) { next } else { best })
}

/// Whether a number takes the place of a maximum. The first NaN does, and nothing takes its place.
fn exceeds<T: Float>(number: T, maximum: T) -> bool {
    number > maximum || (number.is_nan() && !maximum.is_nan())
}

/// A count of steps.
fn float<T: Float>(count: usize) -> T {
    T::from(count).expect("a count converts to a float")
}
