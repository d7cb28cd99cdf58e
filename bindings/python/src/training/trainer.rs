//! The training loop.

use super::reduction::Reduction;
use super::settings::{Clip, Head, Loss, Optimizer, Schedule};
use super::targets;
use crate::arrays::to_py;
use crate::error;
use crate::given::{DropoutOptions, Given, Lent, dropout};
use crate::process;
use crate::rnn::Rnn;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::thread;
use std::time::Duration;
use wgpu_rnn::train::{self, Checkpoint, Targets};
use wgpu_rnn::{Call, Engine, Naming};

/// A step has so many times the work of a call.
const WORK: usize = 4;

/// The time between two looks for signals, while another thread's step goes on.
const LOOK: Duration = Duration::from_millis(10);

/// Trains a network and a head on it, a batch at a time, where the network is computed.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Trainer {
    trainer: Arc<Mutex<train::Trainer>>,
    engine: Engine,
    /// The network that the trainer began with, for its sizes.
    rnn: Py<Rnn>,
    reduction: Reduction,
}

/// An update of the parameters.
#[pyclass(frozen, get_all, module = "wgpu_rnn._wgpu_rnn")]
pub struct Report {
    step: u64,
    loss: f64,
    rows: usize,
    right: usize,
    norm: f64,
    learning_rate: f64,
}

#[pymethods]
impl Report {
    fn __repr__(&self) -> String {
        let Report { step, loss, rows, right, norm, learning_rate } = self;
        format!(
            "Report(step={step}, loss={loss}, rows={rows}, right={right}, norm={norm}, \
             learning_rate={learning_rate})"
        )
    }
}

impl From<train::Report> for Report {
    fn from(of: train::Report) -> Report {
        let train::Report { step, loss, rows, right, norm, learning_rate, .. } = of;
        Report { step, loss, rows, right, norm, learning_rate }
    }
}

#[pymethods]
impl Trainer {
    /// A trainer with a network of its own, which begins as a copy of this one.
    #[new]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    #[pyo3(signature = (rnn, head, loss, optimizer, clip, schedule, dropping, accumulate, carry_states, reduce))]
    fn new(
        py: Python<'_>,
        rnn: Py<Rnn>,
        head: Head,
        loss: Loss,
        optimizer: Optimizer,
        clip: Option<Clip>,
        schedule: Option<Schedule>,
        dropping: Option<DropoutOptions>,
        accumulate: usize,
        carry_states: bool,
        reduce: Option<Py<PyAny>>,
    ) -> PyResult<Trainer> {
        process::check()?;
        let network = rnn.get().single("trainer")?;
        let engine = network.engine().clone();
        let make = || {
            let mut trainer = train::Trainer::new(network, head.0, loss.0, optimizer.0)?;
            if let Some(clip) = clip {
                trainer = trainer.clip(clip.0)?;
            }
            if let Some(schedule) = schedule {
                trainer = trainer.schedule(schedule.0)?;
            }
            if let Some(options) = dropping {
                trainer = trainer.dropout(dropout(options))?;
            }
            trainer = trainer.accumulate(accumulate)?;
            Ok(if carry_states { trainer.carry_states() } else { trainer })
        };
        let mut trainer = py.detach(make).map_err(error::of)?;
        let has_one = reduce.is_some();
        let reduction = reduce.map_or_else(Reduction::default, Reduction::new);
        if has_one {
            let own = reduction.clone();
            trainer = trainer.reduce(move |numbers| own.add_up(numbers));
        }
        Ok(Trainer { trainer: Arc::new(Mutex::new(trainer)), engine, rnn, reduction })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.reduction.traverse(&visit)
    }

    fn __clear__(&self) {
        self.reduction.clear();
    }

    #[pyo3(signature = (input, targets, lengths))]
    fn step<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        targets: &Bound<'py, PyAny>,
        lengths: Option<Vec<i64>>,
    ) -> PyResult<Vec<Report>> {
        let targets = targets::from_py(targets)?;
        let work = move |trainer: &mut train::Trainer, call: &Call<'_>| trainer.step(call, &targets);
        Ok(self.compute(py, input, lengths, WORK, work)?.into_iter().map(Report::from).collect())
    }

    fn finish(&self, py: Python<'_>) -> PyResult<Vec<Report>> {
        let reports = self.with(py, |trainer| trainer.finish())?;
        Ok(reports.into_iter().map(Report::from).collect())
    }

    #[pyo3(signature = (input, lengths))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        lengths: Option<Vec<i64>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let predictions =
            self.compute(py, input, lengths, 1, |trainer: &mut train::Trainer, call: &Call<'_>| {
                trainer.predict(call)
            })?;
        Ok(to_py(py, predictions))
    }

    /// The loss, rows and right rows of a batch, from which nothing is learnt.
    #[pyo3(signature = (input, targets, lengths))]
    fn evaluate<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        targets: &Bound<'py, PyAny>,
        lengths: Option<Vec<i64>>,
    ) -> PyResult<(f64, usize, usize)> {
        let targets: Targets = targets::from_py(targets)?;
        let work = move |trainer: &mut train::Trainer, call: &Call<'_>| trainer.evaluate(call, &targets);
        let value = self.compute(py, input, lengths, 1, work)?;
        Ok((f64::from(value.loss), value.rows, value.right))
    }

    fn observe(&self, py: Python<'_>, metric: f64) -> PyResult<()> {
        self.with(py, |trainer| {
            trainer.observe(metric);
            Ok(())
        })
    }

    fn reset_states(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |trainer| {
            trainer.reset_states();
            Ok(())
        })
    }

    #[getter]
    fn engine(&self) -> String {
        self.engine.name().to_owned()
    }

    /// Tensors of the network and of the head, by name.
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        let all = self.with(py, |trainer| {
            let (weights, head) = trainer.weights()?;
            let network = weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
            let head = head.params().tensors().map(|(name, tensor)| (name.to_owned(), tensor.to_owned()));
            Ok(network.chain(head).collect::<Vec<_>>())
        })?;
        Ok(all.into_iter().map(|(name, tensor)| (name, to_py(py, tensor))).collect())
    }

    fn save(&self, py: Python<'_>, path: PathBuf) -> PyResult<()> {
        self.with(py, |trainer| trainer.save(path))
    }

    /// Writes a checkpoint, with JSON of the caller's beside.
    fn save_checkpoint(&self, py: Python<'_>, path: PathBuf, beside: &str) -> PyResult<()> {
        let beside: Value =
            serde_json::from_str(beside).map_err(|found| error::argument("beside", "JSON", found))?;
        self.with(py, |trainer| trainer.save_checkpoint(path, beside))
    }

    /// Goes on from a checkpoint, and gives the JSON that stood beside.
    fn restore(&self, py: Python<'_>, path: PathBuf) -> PyResult<String> {
        let beside = self.with(py, |trainer| trainer.restore(&Checkpoint::open(path)?))?;
        Ok(beside.to_string())
    }
}

impl Trainer {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut train::Trainer) -> wgpu_rnn::Result<T> + Send,
    ) -> PyResult<T> {
        process::check()?;
        self.wait(py)?;
        let answer = py.detach(|| work(&mut self.trainer.lock().unwrap_or_else(PoisonError::into_inner)));
        answer.map_err(|found| self.reduction.explain(py, error::of(found)))
    }

    /// Waits for the step of another thread, or for one that Ctrl-C has left behind.
    fn wait(&self, py: Python<'_>) -> PyResult<()> {
        self.reduction.check()?;
        while matches!(self.trainer.try_lock(), Err(TryLockError::WouldBlock)) {
            py.detach(|| thread::sleep(LOOK));
            py.check_signals()?;
        }
        Ok(())
    }

    /// Computes a batch; a long one so that Ctrl-C ends the wait for it.
    fn compute<'py, T: Send + 'static>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        lengths: Option<Vec<i64>>,
        work: usize,
        train: impl FnOnce(&mut train::Trainer, &Call<'_>) -> wgpu_rnn::Result<T> + Send + 'static,
    ) -> PyResult<T> {
        process::check()?;
        let lent = Lent::<f32>::new(input, None)?;
        let given = Given::new(&lent, [None, None], lengths, None)?;
        let is_long = self.rnn.get().is_long(&given, &self.engine, work);
        self.wait(py)?;
        let trainer = self.trainer.clone();
        let answer = given.compute(py, is_long, move |call| {
            train(&mut trainer.lock().unwrap_or_else(PoisonError::into_inner), call)
        });
        answer.map_err(|found| self.reduction.explain(py, found))
    }
}
