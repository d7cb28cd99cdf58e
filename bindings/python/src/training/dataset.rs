//! Sequences with a class each, and the order in which they are learnt from.

use crate::arrays::{from_py, owned, to_py};
use crate::error;
use ndarray::{Array1, Ix2};
use pyo3::prelude::*;
use std::path::PathBuf;

/// Sequences with a class each.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Dataset(wgpu_rnn::train::Dataset);

/// Input, lengths, labels.
type Batch<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>, Bound<'py, PyAny>);

#[pymethods]
impl Dataset {
    #[new]
    fn new(sequences: Vec<Bound<'_, PyAny>>, labels: Vec<i32>, step_multiple: usize) -> PyResult<Dataset> {
        let read = |(place, array)| {
            let name = format!("sequence {place}");
            owned(&name, from_py::<f32, Ix2>(&name, array)?.as_array())
        };
        let sequences = sequences.iter().enumerate().map(read).collect::<PyResult<_>>()?;
        let dataset = wgpu_rnn::train::Dataset::new(sequences, labels).map_err(error::of)?;
        Ok(Dataset(dataset.step_multiple(step_multiple)))
    }

    #[staticmethod]
    fn open(path: PathBuf, step_multiple: usize) -> PyResult<Dataset> {
        let dataset = wgpu_rnn::train::Dataset::open(path).map_err(error::of)?;
        Ok(Dataset(dataset.step_multiple(step_multiple)))
    }

    fn __len__(&self) -> usize {
        self.0.len()
    }

    #[getter]
    fn features(&self) -> usize {
        self.0.features()
    }

    #[getter]
    fn classes(&self) -> usize {
        self.0.classes()
    }

    #[getter]
    fn lengths(&self) -> Vec<usize> {
        self.0.lengths()
    }

    fn batch<'py>(&self, py: Python<'py>, places: Vec<usize>) -> PyResult<Batch<'py>> {
        let batch = py.detach(|| self.0.batch(&places)).map_err(error::of)?;
        let lengths: Array1<i64> = batch.lengths.iter().map(|&length| length as i64).collect();
        let integers = numpy::PyArray::from_owned_array(py, lengths).into_any();
        let labels = numpy::PyArray::from_owned_array(py, Array1::from(batch.labels)).into_any();
        Ok((to_py(py, batch.input), integers, labels))
    }
}

/// The batches of every epoch, as places of sequences in a dataset: the same on every machine.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Loader(wgpu_rnn::train::Loader);

#[pymethods]
impl Loader {
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn new(
        lengths: Vec<usize>,
        batch_size: usize,
        seed: u64,
        shuffle: bool,
        buckets: usize,
        drop_last: bool,
        rank: usize,
        world: usize,
    ) -> PyResult<Loader> {
        let loader = wgpu_rnn::train::Loader::new(&lengths, batch_size)
            .seed(seed)
            .shuffle(shuffle)
            .buckets(buckets)
            .drop_last(drop_last)
            .shard(rank, world);
        loader.batches().map_err(error::of)?;
        Ok(Loader(loader))
    }

    fn epoch(&self, epoch: u64) -> PyResult<Vec<Vec<usize>>> {
        self.0.epoch(epoch).map_err(error::of)
    }
}
