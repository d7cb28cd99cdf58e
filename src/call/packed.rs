//! Packed sequences: sequences of different lengths without padding.

use crate::{Error, Result, memory};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, s};
use num_traits::Zero;

/// Sequences of different lengths without padding, longest first: the first steps of all sequences, then the
/// second steps of all sequences that have a second step, and so on (PyTorch's `PackedSequence`, with the
/// same `data` and `batch_sizes`).
///
/// ```
/// use ndarray::arr2;
/// use wgpu_rnn::Packed;
///
/// // Two sequences, of 2 steps and of 1, with one feature.
/// let packed = Packed { data: arr2(&[[1.0], [10.0], [2.0]]), batch_sizes: vec![2, 1] };
/// let (padded, lengths) = packed.unpack()?;
/// assert_eq!(padded.into_raw_vec_and_offset().0, [1.0, 10.0, 2.0, 0.0]); // [T, N, I]
/// assert_eq!(lengths, [2, 1]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Packed<T = f32> {
    /// `[sum of batch_sizes, C]`.
    pub data: Array2<T>,
    /// The number of sequences that have each time step, `[T]`; never more than at the step before.
    pub batch_sizes: Vec<usize>,
}

impl<T: Clone + Zero> Packed<T> {
    /// The sequences padded with zeros, `[T, N, C]`, and their lengths.
    ///
    /// # Errors
    /// [`Error::Argument`] if `batch_sizes` grow, contain 0 or do not add up to the rows of `data`;
    /// [`Error::Memory`] and [`Error::TooLarge`] where memory cannot hold the padded array.
    pub fn unpack(&self) -> Result<(Array3<T>, Vec<usize>)> {
        let sizes = &self.batch_sizes;
        let refuse =
            |expected: String, found: String| Err(Error::Argument { name: "batch_sizes", expected, found });
        let batch = sizes.first().copied().unwrap_or(0);
        if batch == 0 {
            return refuse(
                "a first one of at least 1".into(),
                sizes.first().map_or("none".into(), usize::to_string),
            );
        }
        for (step, pair) in sizes.windows(2).enumerate() {
            if !(1..=pair[0]).contains(&pair[1]) {
                return refuse(format!("1 to {} at time step {}", pair[0], step + 1), pair[1].to_string());
            }
        }
        let rows = sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if rows != Some(self.data.nrows()) {
            let found = rows.map_or("more than can be counted".into(), |rows| rows.to_string());
            return refuse(format!("a sum of {}, the rows of data", self.data.nrows()), found);
        }
        let shape = [sizes.len(), batch, self.data.ncols()];
        memory::check::<T>(|| format!("unpacked input {shape:?}"), &shape)?;
        let mut padded = Array3::zeros(shape);
        let mut first = 0;
        for (mut step, &size) in padded.outer_iter_mut().zip(sizes) {
            step.slice_mut(s![..size, ..]).assign(&self.data.slice(s![first..first + size, ..]));
            first += size;
        }
        let lengths = (0..batch).map(|row| sizes.partition_point(|&size| size > row)).collect();
        Ok((padded, lengths))
    }

    /// The steps within the sequences of a `[T, N, C]` array, of which the first `batch_sizes[t]` have a step
    /// t.
    ///
    /// # Errors
    /// [`Error::Argument`] if the array has not T time steps, or a step has more sequences than N.
    pub fn pack(padded: ArrayView3<'_, T>, batch_sizes: &[usize]) -> Result<Packed<T>> {
        let (steps, batch, _) = padded.dim();
        let most = batch_sizes.iter().copied().max().unwrap_or(0);
        if steps != batch_sizes.len() || most > batch {
            let expected = format!("{steps} of at most {batch}, as the array has time steps and sequences");
            let found = format!("{} of at most {most}", batch_sizes.len());
            return Err(Error::Argument { name: "batch_sizes", expected, found });
        }
        let steps = padded.outer_iter().zip(batch_sizes);
        let steps: Vec<ArrayView2<'_, T>> =
            steps.map(|(step, &size)| step.slice_move(s![..size, ..])).collect();
        // All steps have C columns; an array without steps has no rows.
        let none = Array2::zeros((0, padded.dim().2));
        let data =
            if steps.is_empty() { none } else { ndarray::concatenate(Axis(0), &steps).expect("one width") };
        Ok(Packed { data, batch_sizes: batch_sizes.to_vec() })
    }
}
