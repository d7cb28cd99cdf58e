//! Live streams through a network.

use crate::arrays::{from_py, list_to_py, owned, to_py};
use crate::error;
use crate::process;
use crate::rnn::Rnn;
use ndarray::{ArrayView2, Ix2, Ix3};
use numpy::PyReadonlyArray2;
use pyo3::prelude::*;
use pyo3::types::PyList;
use std::sync::{Mutex, PoisonError};
use wgpu_rnn::State;

/// Live streams through a network, whose states stay where it is computed.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Streams(Mutex<wgpu_rnn::Streams>);

/// A stream that has joined.
#[pyclass(frozen, eq, hash, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stream(wgpu_rnn::Stream);

type StateArrays<'py> = (Bound<'py, PyAny>, Option<Bound<'py, PyAny>>);

#[pymethods]
impl Streams {
    #[new]
    fn new(py: Python<'_>, rnn: &Rnn, capacity: usize) -> PyResult<Streams> {
        process::check()?;
        let rnn = rnn.single("streams")?;
        let streams = py.detach(|| wgpu_rnn::Streams::new(rnn, capacity));
        Ok(Streams(Mutex::new(streams.map_err(error::of)?)))
    }

    fn join(&self, py: Python<'_>) -> PyResult<Stream> {
        self.with(py, |streams| streams.join()).map(Stream)
    }

    fn leave(&self, py: Python<'_>, stream: Stream) -> PyResult<()> {
        self.with(py, |streams| streams.leave(stream.0))
    }

    fn reset(&self, py: Python<'_>, stream: Stream) -> PyResult<()> {
        self.with(py, |streams| streams.reset(stream.0))
    }

    fn save<'py>(&self, py: Python<'py>, stream: Stream) -> PyResult<StateArrays<'py>> {
        let State { h, c } = self.with(py, |streams| streams.save(stream.0))?;
        Ok((to_py(py, h), c.map(|c| to_py(py, c))))
    }

    #[pyo3(signature = (stream, h, c=None))]
    fn load(
        &self,
        py: Python<'_>,
        stream: Stream,
        h: &Bound<'_, PyAny>,
        c: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let own = |name, array| owned(name, from_py::<f32, Ix3>(name, array)?.as_array());
        let (h, c) = (own("h_0", h)?, c.map(|c| own("c_0", c)).transpose()?);
        self.with(py, |streams| streams.load(stream.0, &State { h, c }))
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        steps: Vec<(Stream, Bound<'py, PyAny>)>,
    ) -> PyResult<Bound<'py, PyList>> {
        let lent = steps.iter().map(|(_, array)| from_py::<f32, Ix2>("steps", array));
        let lent: Vec<PyReadonlyArray2<'py, f32>> = lent.collect::<PyResult<_>>()?;
        let named = steps.iter().zip(&lent).map(|((stream, _), array)| (stream.0, array.as_array()));
        let named: Vec<(wgpu_rnn::Stream, ArrayView2<'_, f32>)> = named.collect();
        list_to_py(py, self.with(py, |streams| streams.call(&named))?)
    }
}

impl Streams {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut wgpu_rnn::Streams) -> wgpu_rnn::Result<T> + Send,
    ) -> PyResult<T> {
        process::check()?;
        let answer = py.detach(|| work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner)));
        answer.map_err(error::of)
    }
}
