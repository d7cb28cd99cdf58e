//! The arrays that cross between Python and Rust, without a copy where they are read, and without one where
//! they are given back.

use crate::error::argument;
use ndarray::{Array, Dimension};
use numpy::{
    Element, PyArray, PyArrayDescrMethods, PyArrayMethods, PyReadonlyArray, PyUntypedArray,
    PyUntypedArrayMethods,
};
use pyo3::prelude::*;
use pyo3::types::PyList;

/// A number of arrays: f32, or f64 of the reference.
pub trait Number: wgpu_rnn::Float + Element {
    /// The name in NumPy.
    const NAME: &'static str;
}

impl Number for f32 {
    const NAME: &'static str = "float32";
}

impl Number for f64 {
    const NAME: &'static str = "float64";
}

/// An array that an argument gives.
pub fn from_py<'py, T: Number, D: Dimension>(
    name: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<PyReadonlyArray<'py, T, D>> {
    if let Ok(array) = value.cast::<PyArray<T, D>>() {
        return array
            .try_readonly()
            .map_err(|_| argument(name, "an array that nothing writes", "one that is written"));
    }
    let Ok(array) = value.cast::<PyUntypedArray>() else {
        return Err(argument(name, &format!("an array of {}", T::NAME), value.get_type()));
    };
    let dtype = array.dtype();
    match (D::NDIM, dtype.is_equiv_to(&numpy::dtype::<T>(value.py()))) {
        (Some(axes), true) => Err(argument(name, &format!("{axes} axes"), array.ndim())),
        _ => Err(argument(name, &format!("an array of {}", T::NAME), dtype)),
    }
}

/// The same of an argument that may be left out.
pub fn option_from_py<'py, T: Number, D: Dimension>(
    name: &str,
    value: Option<&Bound<'py, PyAny>>,
) -> PyResult<Option<PyReadonlyArray<'py, T, D>>> {
    value.map(|value| from_py(name, value)).transpose()
}

/// An array for Python, in the order of its axes in memory.
pub fn to_py<'py, T: Number, D: Dimension>(py: Python<'py>, array: Array<T, D>) -> Bound<'py, PyAny> {
    let array = if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() };
    PyArray::from_owned_array(py, array).into_any()
}

/// Arrays for Python.
pub fn list_to_py<'py, T: Number, D: Dimension>(
    py: Python<'py>,
    arrays: impl IntoIterator<Item = Array<T, D>>,
) -> PyResult<Bound<'py, PyList>> {
    let list = PyList::empty(py);
    arrays.into_iter().try_for_each(|array| list.append(to_py(py, array)))?;
    Ok(list)
}
