//! Arrays of a model's file in the shapes that a network needs.

use crate::ending::Failure;
use ndarray::{Array, Dimension};
use std::path::Path;
use wgpu_rnn::file::Arrays;

/// The array of this name, which has to have this shape.
pub fn shaped<D: Dimension>(
    path: &Path,
    arrays: &Arrays,
    name: &str,
    expected: &[usize],
) -> Result<Array<f32, D>, Failure> {
    let array: Array<f32, D> = arrays.array(name)?;
    if array.shape() == expected {
        return Ok(array);
    }
    let found = array.shape();
    Err(format!("{}: {name}: expected shape {expected:?}, found {found:?}", path.display()).into())
}
