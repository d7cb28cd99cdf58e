//! Arrays in safetensors files.

use super::formats::safetensors as format;
use crate::io::{in_file, read, replace};
use crate::{Float, Result};
use ndarray::{ArrayD, ArrayViewD};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The f32 tensors of a safetensors file, by name.
///
/// # Errors
/// [`Error::File`](crate::Error::File) for a file that cannot be read, that is not a safetensors file, or
/// that has a tensor of another type than F32.
pub fn load_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, ArrayD<f32>>> {
    let tensors = Tensors::load(path)?;
    tensors.named(tensors.file.all_f32())
}

/// The tensors of a safetensors file, each read when it is asked for.
///
/// ```
/// use wgpu_rnn::file::{self, Tensors};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("x.safetensors");
/// let input = ndarray::arr2(&[[1.0_f32, 2.0]]).into_dyn();
/// file::save_tensors(&path, [("input".to_owned(), input.view())])?;
/// let tensors = Tensors::load(&path)?;
/// assert_eq!(tensors.f32("input")?, Some(input));
/// assert_eq!(tensors.f32("h0")?, None);
/// assert!(tensors.integers("input").unwrap_err().to_string().ends_with("expected integers, found F32"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Tensors {
    /// None of a file in memory.
    path: Option<PathBuf>,
    file: format::Safetensors<Vec<u8>>,
}

impl Tensors {
    /// Reads the file and checks its header.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a file that cannot be read, or that is not a safetensors file.
    pub fn load(path: impl AsRef<Path>) -> Result<Tensors> {
        let path = path.as_ref();
        let file = format::Safetensors::parse(read(path)?).map_err(in_file(path))?;
        Ok(Tensors { path: Some(path.to_owned()), file })
    }

    /// Checks the header of a file in memory.
    ///
    /// # Errors
    /// [`Error::Format`](crate::Error::Format) for bytes that are not a safetensors file. Where other
    /// functions of this type name [`Error::File`](crate::Error::File), its cause stands alone.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Tensors> {
        Ok(Tensors { path: None, file: format::Safetensors::parse(bytes)? })
    }

    /// An error with the name of the file, if the file has one.
    fn named<T>(&self, result: Result<T>) -> Result<T> {
        match &self.path {
            Some(path) => result.map_err(in_file(path)),
            None => result,
        }
    }

    /// The names of all tensors, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.file.names()
    }

    /// The tensor of this name, if the file has one.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a tensor of another type than F32.
    pub fn f32(&self, name: &str) -> Result<Option<ArrayD<f32>>> {
        self.floats(name)
    }

    /// The tensor of this name in `f32` or `f64`, if the file has one.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a tensor of another type.
    pub fn floats<T: Float>(&self, name: &str) -> Result<Option<ArrayD<T>>> {
        self.named(self.file.floats(name))
    }

    /// The tensor of integers of this name, if the file has one; a number over i64 becomes the largest i64.
    ///
    /// # Errors
    /// [`Error::File`](crate::Error::File) for a tensor that is not of integers.
    pub fn integers(&self, name: &str) -> Result<Option<ArrayD<i64>>> {
        self.named(self.file.integers(name))
    }
}

/// Writes tensors as a safetensors file.
///
/// # Errors
/// [`Error::DuplicateTensor`](crate::Error::DuplicateTensor) for a name that is given twice,
/// [`Error::Format`](crate::Error::Format) for a name or an array that the format cannot hold,
/// [`Error::File`](crate::Error::File) for a file that cannot be written.
pub fn save_tensors<'a, T: Float>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (String, ArrayViewD<'a, T>)>,
) -> Result<()> {
    replace(path, &format::serialize(tensors, &BTreeMap::new())?)
}
