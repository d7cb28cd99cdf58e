//! A function of Python's that sums the gradients of several machines.

use crate::error;
use numpy::{PyArray1, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

/// The function, which the trainer's own closure and the trainer of Python share.
#[derive(Clone, Default)]
pub struct Reduction(Arc<Mutex<Shared>>);

#[derive(Default)]
struct Shared {
    function: Option<Py<PyAny>>,
    /// The thread that is in the function.
    inside: Option<ThreadId>,
    /// The exception that ended it.
    raised: Option<PyErr>,
}

impl Reduction {
    pub fn new(function: Py<PyAny>) -> Reduction {
        Reduction(Arc::new(Mutex::new(Shared { function: Some(function), ..Shared::default() })))
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces numbers by those that the function makes of them, in place.
    pub fn add_up(&self, numbers: &mut [f32]) -> Result<(), Box<dyn Error + Send + Sync>> {
        Python::attach(|py| {
            let function = {
                let mut shared = self.shared();
                shared.inside = Some(thread::current().id());
                shared.function.as_ref().map(|function| function.clone_ref(py))
            };
            let answer = function.map_or(Ok(()), |function| call(py, &function, numbers));
            self.shared().inside = None;
            answer.map_err(|raised| {
                let sentence = raised.to_string();
                self.shared().raised = Some(raised);
                sentence.into()
            })
        })
    }

    /// Refuses a use of the trainer by its own function, which would wait for itself.
    pub fn check(&self) -> PyResult<()> {
        match self.shared().inside == Some(thread::current().id()) {
            true => Err(error::runtime(
                "trainer: expected a use outside of its function reduce, found one inside".into(),
                "Reduction",
            )),
            false => Ok(()),
        }
    }

    /// An error of the trainer's with the exception behind; an end of the program, such as Ctrl-C, as such.
    pub fn explain(&self, py: Python<'_>, error: PyErr) -> PyErr {
        let code = error.value(py).getattr("code");
        if !code.is_ok_and(|code| code.eq("Reduction").unwrap_or(false)) {
            return error;
        }
        match self.shared().raised.take() {
            Some(raised) if !raised.is_instance_of::<PyException>(py) => raised,
            raised => {
                error.set_cause(py, raised);
                error
            }
        }
    }

    pub fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A function that is being called is alive.
        match self.0.try_lock() {
            Ok(shared) => visit.call(&shared.function),
            Err(_) => Ok(()),
        }
    }

    pub fn clear(&self) {
        let function = self.shared().function.take();
        drop(function);
    }
}

fn call(py: Python<'_>, function: &Py<PyAny>, numbers: &mut [f32]) -> PyResult<()> {
    let array = PyArray1::from_slice(py, numbers);
    let answer = function.call1(py, (&array,))?;
    if !answer.is_none(py) {
        let found = answer.bind(py).get_type();
        return Err(error::argument("reduce", "None, of a function that changes its array", found));
    }
    if array.len() != numbers.len() {
        return Err(error::argument(
            "reduce",
            &format!("an array of {} numbers", numbers.len()),
            array.len(),
        ));
    }
    numbers.copy_from_slice(array.try_readonly()?.as_slice()?);
    Ok(())
}
