//! Errors as Python has them: a `ValueError`, `MemoryError` or `RuntimeError` with the library's sentence,
//! and its variant as `code`.

use pyo3::exceptions::{PyMemoryError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use wgpu_rnn::Error;

/// An error of the library.
pub fn of(error: Error) -> PyErr {
    // `Shape { name: ... }`, `NoAdapter("...")`, `InputSizeOpen`.
    let variant = format!("{error:?}");
    let end = variant.find(|letter: char| !letter.is_alphanumeric()).unwrap_or(variant.len());
    let message = error.to_string();
    let made = match error {
        Error::TooLarge { .. } | Error::Memory { .. } | Error::OutOfMemory(_) => {
            PyMemoryError::new_err(message)
        }
        Error::StreamsFull { .. }
        | Error::StreamLeft
        | Error::SavedUsed
        | Error::SavedElsewhere
        | Error::WeightsChanged
        | Error::NotFinite { .. }
        | Error::Reduction { .. }
        | Error::NoAdapter(_)
        | Error::NamedAdapter { .. }
        | Error::DeviceLost(_)
        | Error::Gpu(_) => PyRuntimeError::new_err(message),
        _ => PyValueError::new_err(message),
    };
    with_code(made, &variant[..end])
}

/// A value that is none of those that may be given.
pub fn argument(name: &str, expected: &str, found: impl std::fmt::Display) -> PyErr {
    with_code(PyValueError::new_err(format!("{name}: expected {expected}, found {found}")), "Argument")
}

/// An argument of which there cannot be a copy.
pub fn too_large(name: &str, bytes: usize) -> PyErr {
    let message = format!("{name}: expected memory for a copy of {bytes} bytes, found too little");
    with_code(PyMemoryError::new_err(message), "Memory")
}

/// A state of the process in which nothing is computed.
pub fn runtime(message: String, code: &str) -> PyErr {
    with_code(PyRuntimeError::new_err(message), code)
}

fn with_code(error: PyErr, code: &str) -> PyErr {
    Python::attach(|py| {
        // Exceptions can be given attributes.
        let _ = error.value(py).setattr("code", code);
    });
    error
}
