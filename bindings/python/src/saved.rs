//! The gradients of a call.

use crate::arrays::{Number, option_from_py, owned, to_py};
use crate::error::{self, argument};
use crate::given::{Given, Lent, Options};
use crate::interrupt;
use crate::process;
use crate::rnn::{Network, Rnn, Shape, results};
use ndarray::{ArrayRef3, CowArray, Ix3};
use numpy::PyReadonlyArray3;
use pyo3::prelude::*;
use std::sync::{Arc, Mutex, PoisonError};
use wgpu_rnn::{CallGradients, Engine, Error, OutputGradients, Wanted, Weights, reference};

/// A backward pass has so many times the work of a call.
const WORK: usize = 3;

/// The same of the reference, whose backward pass is a tape.
const WORK_OF_TAPE: usize = 20;

/// A call whose gradients can be asked for, once.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Saved(Kept);

enum Kept {
    Single {
        saved: Arc<Mutex<wgpu_rnn::Saved>>,
        is_long: bool,
    },
    /// The reference keeps the call, and computes it again on its tape. It can be used again.
    Double {
        given: Arc<Given<'static, f64>>,
        weights: Arc<Weights<f64>>,
        is_long: bool,
    },
}

type Answer<'py> = (
    (
        Bound<'py, PyAny>,
        Bound<'py, PyAny>,
        Option<Bound<'py, PyAny>>,
        Option<Bound<'py, pyo3::types::PyDict>>,
    ),
    Saved,
);

/// Gradients by the input, if it was wanted, by `h_0`, by `c_0`, and flat by the weights.
type Found<'py> =
    (Option<Bound<'py, PyAny>>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Bound<'py, PyAny>);

/// Gradients of a loss by the results of a call, as Python has them.
#[derive(FromPyObject)]
pub struct ByResults<'py> {
    #[pyo3(item)]
    output: Option<Bound<'py, PyAny>>,
    #[pyo3(item, default)]
    output_reverse: Option<Bound<'py, PyAny>>,
    #[pyo3(item, default)]
    cell_states: Option<Bound<'py, PyAny>>,
    #[pyo3(item, default)]
    lower: Option<Vec<Option<Bound<'py, PyAny>>>>,
    #[pyo3(item, default)]
    h_n: Option<Bound<'py, PyAny>>,
    #[pyo3(item, default)]
    c_n: Option<Bound<'py, PyAny>>,
}

/// The arrays of [`ByResults`], which Python keeps.
struct Lender<'py, T: Number> {
    arrays: [Option<PyReadonlyArray3<'py, T>>; 5],
    lower: Vec<Option<PyReadonlyArray3<'py, T>>>,
}

impl<'py, T: Number> Lender<'py, T> {
    fn new(by: &ByResults<'py>) -> PyResult<Lender<'py, T>> {
        let read = |name: &str, value: &Option<Bound<'py, PyAny>>| {
            option_from_py::<T, Ix3>(&format!("gradient by {name}"), value.as_ref())
        };
        let arrays = [
            read("output", &by.output)?,
            read("output_reverse", &by.output_reverse)?,
            read("cell_states", &by.cell_states)?,
            read("h_n", &by.h_n)?,
            read("c_n", &by.c_n)?,
        ];
        let lower = by.lower.iter().flatten().map(|value| read("lower", value)).collect::<PyResult<_>>()?;
        Ok(Lender { arrays, lower })
    }

    fn gradients(&self) -> Gradients<'_, T> {
        Gradients {
            arrays: self.arrays.each_ref().map(|array| array.as_ref().map(lend)),
            lower: self.lower.iter().map(|array| array.as_ref().map(lend)).collect(),
        }
    }
}

fn lend<'a, T: Number>(array: &'a PyReadonlyArray3<'_, T>) -> CowArray<'a, T, Ix3> {
    CowArray::from(array.as_array())
}

struct Gradients<'a, T> {
    arrays: [Option<CowArray<'a, T, Ix3>>; 5],
    lower: Vec<Option<CowArray<'a, T, Ix3>>>,
}

impl<T: Number> Gradients<'_, T> {
    fn given(&self) -> OutputGradients<'_, T> {
        let [output, reverse, cell_states, h_n, c_n] = &self.arrays;
        let mut given = OutputGradients::new();
        given = with(given, output, OutputGradients::output);
        given = with(given, reverse, OutputGradients::output_reverse);
        given = with(given, cell_states, OutputGradients::cell_states);
        given = with(given, h_n, OutputGradients::h_n);
        given = with(given, c_n, OutputGradients::c_n);
        for (layer, gradient) in self.lower.iter().enumerate() {
            given = with(given, gradient, |given, gradient| given.lower(layer, gradient));
        }
        given
    }

    fn into_owned(self) -> PyResult<Gradients<'static, T>> {
        let own = |array: Option<CowArray<'_, T, Ix3>>| {
            let copy = array.map(|array| owned("gradient", array.view())).transpose();
            copy.map(|copy| copy.map(CowArray::from))
        };
        let [output, reverse, cell_states, h_n, c_n] = self.arrays;
        Ok(Gradients {
            arrays: [own(output)?, own(reverse)?, own(cell_states)?, own(h_n)?, own(c_n)?],
            lower: self.lower.into_iter().map(own).collect::<PyResult<_>>()?,
        })
    }

    /// Computes without the interpreter; a long pass, which Ctrl-C ends, with arrays of its own.
    fn compute<R: Send + 'static>(
        self,
        py: Python<'_>,
        is_long: bool,
        work: impl FnOnce(&OutputGradients<'_, T>) -> wgpu_rnn::Result<R> + Send + 'static,
    ) -> PyResult<R> {
        let answer = match is_long {
            false => py.detach(|| work(&self.given())),
            true => {
                let copy = self.into_owned()?;
                interrupt::run(py, move || work(&copy.given()))?
            }
        };
        answer.map_err(error::of)
    }
}

/// Gradients with one more, if it is there.
fn with<'a, T>(
    given: OutputGradients<'a, T>,
    gradient: &'a Option<CowArray<'_, T, Ix3>>,
    set: impl FnOnce(OutputGradients<'a, T>, &'a ArrayRef3<T>) -> OutputGradients<'a, T>,
) -> OutputGradients<'a, T> {
    match gradient {
        Some(gradient) => set(given, gradient),
        None => given,
    }
}

#[pymethods]
impl Rnn {
    /// Computes a call, and keeps what its gradients need.
    #[pyo3(signature = (input, h_0=None, c_0=None, lengths=None, options=None))]
    fn forward_saved<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        h_0: Option<&Bound<'py, PyAny>>,
        c_0: Option<&Bound<'py, PyAny>>,
        lengths: Option<Vec<i64>>,
        options: Option<Options>,
    ) -> PyResult<Answer<'py>> {
        process::check()?;
        match self.network() {
            Network::Single(rnn) => {
                let lent = Lent::<f32>::new(input, None)?;
                let given = Given::new(&lent, [h_0, c_0], lengths, options)?;
                let shape = Shape::of(&given, rnn.config());
                let [is_long, is_long_back] = [1, WORK].map(|work| self.is_long(&given, rnn.engine(), work));
                let (output, saved) = given.compute(py, is_long, move |call| rnn.forward_saved(call))?;
                let saved = Kept::Single { saved: Arc::new(Mutex::new(saved)), is_long: is_long_back };
                Ok((results(py, output, shape)?, Saved(saved)))
            }
            Network::Double(weights) => {
                let lent = Lent::<f64>::new(input, None)?;
                let given = Given::new(&lent, [h_0, c_0], lengths, options)?.into_owned()?;
                let shape = Shape::of(&given, weights.config());
                let [is_long, is_long_back] =
                    [1, WORK_OF_TAPE].map(|work| self.is_long(&given, &Engine::reference(), work));
                let given = Arc::new(given);
                let (own, by) = (given.clone(), weights.clone());
                let work = move || reference::call(&by, &own.call());
                let output = if is_long { interrupt::run(py, work)? } else { py.detach(work) };
                let saved = Kept::Double { given, weights, is_long: is_long_back };
                Ok((results(py, output.map_err(error::of)?, shape)?, Saved(saved)))
            }
        }
    }

    /// The gradients by input, initial states and weights, of a call that this network has saved.
    fn backward<'py>(
        &self,
        py: Python<'py>,
        saved: &Saved,
        by: ByResults<'py>,
        wants_input: bool,
        frozen: Vec<usize>,
    ) -> PyResult<Found<'py>> {
        process::check()?;
        match (&saved.0, self.network()) {
            (Kept::Single { saved, is_long }, Network::Single(rnn)) => {
                let lender = Lender::<f32>::new(&by)?;
                let wanted = if wants_input { Wanted::all() } else { Wanted::all().without_input() };
                let wanted = frozen.into_iter().fold(wanted, Wanted::frozen);
                let saved = saved.clone();
                let work = move |given: &OutputGradients<'_, f32>| {
                    let mut saved = saved.lock().unwrap_or_else(PoisonError::into_inner);
                    rnn.backward_of(&mut saved, given, &wanted)
                };
                Ok(found(py, lender.gradients().compute(py, *is_long, work)?, wants_input))
            }
            (Kept::Double { given: call, weights, is_long }, Network::Double(own)) => {
                if !Arc::ptr_eq(weights, &own) {
                    return Err(error::of(Error::WeightsChanged));
                }
                let lender = Lender::<f64>::new(&by)?;
                let (call, weights) = (call.clone(), weights.clone());
                let work = move |given: &OutputGradients<'_, f64>| {
                    Ok(reference::backward(&weights, &call.call(), given)?.1)
                };
                Ok(found(py, lender.gradients().compute(py, *is_long, work)?, wants_input))
            }
            _ => Err(argument("saved", "a call of a network with the same dtype", "another")),
        }
    }
}

fn found<T: Number>(py: Python<'_>, gradients: CallGradients<T>, wants_input: bool) -> Found<'_> {
    let by_input = wants_input.then(|| to_py(py, gradients.input));
    let by_weights = ndarray::Array1::from(gradients.weights.as_slice().to_vec());
    let state = gradients.state;
    (by_input, to_py(py, state.h), state.c.map(|c| to_py(py, c)), to_py(py, by_weights))
}
