//! Sequences with their labels, and batches of them.

use super::loader::{random, shuffle};
use crate::io::in_file;
use crate::weights::Tensors;
use crate::{Error, Result, memory};
use ndarray::{Array2, Array3, Axis, Ix2, Ix3, s};
use std::path::Path;

/// Sequences `[T, I]` of one number of features, each with a label: a class, a class for each step, numbers,
/// or the labels of a CTC loss.
///
/// ```
/// use ndarray::arr2;
/// use wgpu_rnn::train::Dataset;
///
/// let sequences = vec![arr2(&[[1.0]]), arr2(&[[2.0], [3.0]])];
/// let batch = Dataset::new(sequences, vec!["short", "long"])?.batch(&[1, 0])?;
/// assert_eq!(batch.input.into_raw_vec_and_offset().0, [2.0, 1.0, 3.0, 0.0]); // [T, N, I]
/// assert_eq!((batch.lengths, batch.labels), (vec![2, 1], vec!["long", "short"]));
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Dataset<L = i32> {
    sequences: Vec<Array2<f32>>,
    labels: Vec<L>,
    step_multiple: usize,
}

/// Sequences padded to the longest of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<L = i32> {
    /// The places of the sequences in the dataset, `[N]`.
    pub indices: Vec<usize>,
    /// `[T, N, I]`, with zeros past the end of a sequence.
    pub input: Array3<f32>,
    /// Time steps of each sequence, `[N]`.
    pub lengths: Vec<usize>,
    /// The label of each sequence, `[N]`.
    pub labels: Vec<L>,
}

impl<L> Dataset<L> {
    /// A dataset of at least one sequence. Each sequence has at least one time step and one label.
    ///
    /// # Errors
    /// [`Error::Argument`] for no sequence, or another number of labels; [`Error::Shape`] for a sequence
    /// without steps or features, or with other features than the first one.
    pub fn new(sequences: Vec<Array2<f32>>, labels: Vec<L>) -> Result<Dataset<L>> {
        let Some(first) = sequences.first() else {
            return Err(argument("sequences", "at least one".into(), "none".into()));
        };
        let features = first.ncols();
        for (index, sequence) in sequences.iter().enumerate() {
            if sequence.is_empty() || sequence.ncols() != features {
                let expected = if features == 0 { "[T, I]".into() } else { format!("[T, {features}]") };
                let (name, found) = (format!("sequence {index}"), sequence.shape().to_vec());
                return Err(Error::Shape { name, expected, found });
            }
        }
        if labels.len() != sequences.len() {
            let expected = format!("{}, one of each sequence", sequences.len());
            return Err(argument("labels", expected, labels.len().to_string()));
        }
        Ok(Dataset { sequences, labels, step_multiple: 1 })
    }

    /// Pads batches to a multiple of this number of time steps, 1 by default. So batches have few different
    /// shapes.
    #[must_use]
    pub fn step_multiple(mut self, multiple: usize) -> Dataset<L> {
        self.step_multiple = multiple;
        self
    }

    /// The number of sequences.
    #[allow(clippy::len_without_is_empty, reason = "no dataset is empty")]
    pub fn len(&self) -> usize {
        self.sequences.len()
    }

    /// I: features of every step.
    pub fn features(&self) -> usize {
        self.sequences[0].ncols()
    }

    /// The sequences, each `[T, I]`.
    pub fn sequences(&self) -> &[Array2<f32>] {
        &self.sequences
    }

    /// The label of each sequence.
    pub fn labels(&self) -> &[L] {
        &self.labels
    }

    /// Time steps of each sequence.
    pub fn lengths(&self) -> Vec<usize> {
        self.sequences.iter().map(Array2::nrows).collect()
    }

    /// The sequences of these places, padded to the longest of them.
    ///
    /// # Errors
    /// [`Error::Argument`] for no place, or a place past the last sequence; [`Error::Setting`] for a
    /// `step_multiple` of 0; [`Error::Memory`] and [`Error::TooLarge`] where memory cannot hold the batch.
    pub fn batch(&self, indices: &[usize]) -> Result<Batch<L>>
    where
        L: Clone,
    {
        if let Some(index) = indices.iter().find(|&&index| index >= self.len()) {
            return Err(argument("indices", format!("less than {}", self.len()), index.to_string()));
        }
        if self.step_multiple == 0 {
            let (expected, found) = ("at least 1".into(), "0".into());
            return Err(Error::Setting { name: "step_multiple", expected, found });
        }
        let lengths: Vec<usize> = indices.iter().map(|&index| self.sequences[index].nrows()).collect();
        let Some(&longest) = lengths.iter().max() else {
            return Err(argument("indices", "at least one".into(), "none".into()));
        };
        let steps = longest.checked_next_multiple_of(self.step_multiple).unwrap_or(usize::MAX);
        let shape = [steps, indices.len(), self.features()];
        memory::check::<f32>(|| format!("batch {shape:?}"), &shape)?;
        let mut input = Array3::zeros(shape);
        for (row, &index) in indices.iter().enumerate() {
            input.slice_mut(s![..lengths[row], row, ..]).assign(&self.sequences[index]);
        }
        let labels = indices.iter().map(|&index| self.labels[index].clone()).collect();
        Ok(Batch { indices: indices.to_vec(), input, lengths, labels })
    }

    /// Holds a part of the sequences back, for validation: the others, and the part. The seed draws the part.
    /// Both keep the order of the dataset.
    ///
    /// # Errors
    /// [`Error::Argument`] for a part that leaves no sequence to one of the two.
    pub fn hold_back(self, part: f64, seed: u64) -> Result<(Dataset<L>, Dataset<L>)> {
        let count = (part * self.len() as f64).round();
        if !(1.0..self.len() as f64).contains(&count) {
            let expected = format!("a part of 1 to {} sequences", self.len().saturating_sub(1));
            return Err(argument("part", expected, format!("{part} of {}", self.len())));
        }
        let mut order: Vec<usize> = (0..self.len()).collect();
        // No epoch is drawn from the last stream.
        shuffle(&mut order, &mut random(seed, u64::MAX));
        let mut is_held = vec![false; self.len()];
        order[..count as usize].iter().for_each(|&index| is_held[index] = true);
        let step_multiple = self.step_multiple;
        let [mut rest, mut held] =
            [(); 2].map(|()| Dataset { sequences: Vec::new(), labels: Vec::new(), step_multiple });
        for (is_held, (sequence, label)) in
            is_held.into_iter().zip(self.sequences.into_iter().zip(self.labels))
        {
            let dataset = if is_held { &mut held } else { &mut rest };
            dataset.sequences.push(sequence);
            dataset.labels.push(label);
        }
        Ok((rest, held))
    }
}

impl Dataset {
    /// Reads a safetensors file of sequences with a class each.
    ///
    /// | tensor | type | shape | content |
    /// |---|---|---|---|
    /// | `x` | F32 | `[N, T, I]` | sequences, padded with anything |
    /// | | | or `[sum of length, I]` | sequences one after the other |
    /// | `length` | integers | `[N]` | time steps of each sequence, from 1 on |
    /// | `label` | integers | `[N]` | class of each sequence, from 0 on |
    ///
    /// # Errors
    /// [`Error::File`] for every fault of the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Dataset> {
        let path = path.as_ref();
        Dataset::read(&Tensors::load(path)?).map_err(in_file(path))
    }

    /// The same, of a file in memory.
    ///
    /// # Errors
    /// The causes of [`open`](Dataset::open), without a file's name.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Dataset> {
        Dataset::read(&Tensors::from_bytes(bytes)?)
    }

    fn read(tensors: &Tensors) -> Result<Dataset> {
        let vector = |name: &'static str| -> Result<Vec<i64>> {
            let tensor = tensors.integers(name)?.ok_or_else(|| missing(name, "[N]"))?;
            match tensor.ndim() {
                1 => Ok(tensor.into_iter().collect()),
                _ => Err(shape(name, "[N]".into(), tensor.shape())),
            }
        };
        let x = tensors.f32("x")?.ok_or_else(|| missing("x", "[N, T, I]"))?;
        let (lengths, labels) = (vector("length")?, vector("label")?);
        let is_padded = match x.ndim() {
            2 => false,
            3 => true,
            _ => return Err(shape("x", "[N, T, I] or [sum of length, I]".into(), x.shape())),
        };
        let count = if is_padded { x.len_of(Axis(0)) } else { lengths.len() };
        for (name, numbers) in [("length", &lengths), ("label", &labels)] {
            if numbers.len() != count {
                return Err(shape(name, format!("[{count}]"), &[numbers.len()]));
            }
        }
        let axis = Axis(usize::from(is_padded));
        let most = x.len_of(axis);
        let in_range = |(index, &length): (usize, &i64)| match usize::try_from(length) {
            Ok(length) if (1..=most).contains(&length) => Ok(length),
            _ => Err(number("length", index, format!("1 to {most}"), length)),
        };
        let lengths = lengths.iter().enumerate().map(in_range).collect::<Result<Vec<usize>>>()?;
        let in_range = |(index, &label): (usize, &i64)| match i32::try_from(label) {
            Ok(label) if label >= 0 => Ok(label),
            _ => Err(number("label", index, format!("0 to {}", i32::MAX), label)),
        };
        let labels = labels.iter().enumerate().map(in_range).collect::<Result<Vec<i32>>>()?;
        // The axes were counted above.
        let sequences = if is_padded {
            let x = x.into_dimensionality::<Ix3>().expect("three axes");
            let padded = x.outer_iter().zip(&lengths);
            padded.map(|(sequence, &length)| sequence.slice(s![..length, ..]).to_owned()).collect()
        } else {
            let sum = lengths.iter().fold(0_usize, |sum, &length| sum.saturating_add(length));
            if sum != most {
                return Err(argument("length", format!("a sum of {most}, the rows of x"), sum.to_string()));
            }
            let (x, mut first) = (x.into_dimensionality::<Ix2>().expect("two axes"), 0);
            let rows = lengths.iter().map(|&length| {
                first += length;
                x.slice(s![first - length..first, ..]).to_owned()
            });
            rows.collect()
        };
        Dataset::new(sequences, labels)
    }

    /// The number of classes: the largest label and one.
    pub fn classes(&self) -> usize {
        self.labels.iter().map(|&label| usize::try_from(label).unwrap_or(0) + 1).max().unwrap_or(0)
    }
}

fn argument(name: &'static str, expected: String, found: String) -> Error {
    Error::Argument { name, expected, found }
}

fn missing(name: &str, shape: &str) -> Error {
    let reason = format!("tensor {name}: expected shape {shape}, found no such tensor");
    Error::Format { format: "safetensors", reason }
}

fn shape(name: &str, expected: String, found: &[usize]) -> Error {
    Error::Shape { name: format!("tensor {name}"), expected, found: found.to_vec() }
}

fn number(name: &'static str, index: usize, expected: String, found: i64) -> Error {
    argument(name, format!("{expected} of sequence {index}"), found.to_string())
}
