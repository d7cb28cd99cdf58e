//! The targets of predictions.

use crate::error::argument;
use numpy::{PyArray1, PyArray2, PyArray3, PyArrayMethods};
use pyo3::prelude::*;
use wgpu_rnn::train::Targets;

/// Classes `[N]` or `[T, N]` of int32, numbers `[N, C]` or `[T, N, C]` of float32, or a list of labels.
pub fn from_py(value: &Bound<'_, PyAny>) -> PyResult<Targets> {
    let refuse = |_| argument("targets", "arrays that nothing writes", "one that is written");
    if let Ok(classes) = value.cast::<PyArray1<i32>>() {
        return Ok(Targets::Classes(classes.try_readonly().map_err(refuse)?.as_array().to_vec()));
    }
    if let Ok(classes) = value.cast::<PyArray2<i32>>() {
        return Ok(Targets::StepClasses(classes.try_readonly().map_err(refuse)?.as_array().to_owned()));
    }
    if let Ok(numbers) = value.cast::<PyArray2<f32>>() {
        return Ok(Targets::Numbers(numbers.try_readonly().map_err(refuse)?.as_array().to_owned()));
    }
    if let Ok(numbers) = value.cast::<PyArray3<f32>>() {
        return Ok(Targets::StepNumbers(numbers.try_readonly().map_err(refuse)?.as_array().to_owned()));
    }
    let expected = "classes [N] or [T, N], numbers [N, C] or [T, N, C], or a list of labels";
    let labels = value.extract::<Vec<Vec<i32>>>();
    labels.map(Targets::Labels).map_err(|_| argument("targets", expected, value.get_type()))
}
