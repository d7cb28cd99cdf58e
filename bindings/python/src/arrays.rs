//! The arrays that cross between Python and Rust, without a copy where they are read, and without one where
//! they are given back.

use crate::error::{argument, too_large};
use ndarray::{Array, ArrayView, Dimension};
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
        check_places(name, array)?;
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

/// Refuses numbers between the places where numbers of their type may lie, as in a field of a record.
fn check_places<T: Number, D: Dimension>(name: &str, array: &Bound<'_, PyArray<T, D>>) -> PyResult<()> {
    let is_aligned = (array.data() as usize).is_multiple_of(align_of::<T>());
    if is_aligned && array.strides().iter().all(|stride| stride % size_of::<T>() as isize == 0) {
        return Ok(());
    }
    Err(argument(name, "an aligned array (numpy.array(it) is one)", "one that is not"))
}

/// A copy of an argument, where there is memory for one.
pub fn owned<T: Number, D: Dimension>(name: &str, view: ArrayView<'_, T, D>) -> PyResult<Array<T, D>> {
    let mut numbers = Vec::new();
    numbers.try_reserve_exact(view.len()).map_err(|_| too_large(name, view.len() * size_of::<T>()))?;
    match view.as_slice() {
        Some(slice) => numbers.extend_from_slice(slice),
        None => numbers.extend(view.iter().copied()),
    }
    Ok(Array::from_shape_vec(view.raw_dim(), numbers).expect("as many numbers as the view has"))
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
