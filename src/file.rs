//! Arrays in files: read whole, written beside and then renamed, so that no reader ever sees half a file.

use crate::{Error, Float, Result};
use ndarray::{ArrayD, ArrayViewD};
use num_traits::PrimInt;
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// The f32 tensors of a safetensors file, by name.
pub fn load_tensors(path: impl AsRef<Path>) -> Result<BTreeMap<String, ArrayD<f32>>> {
    let path = path.as_ref();
    tensors_from(&read(path)?).map_err(in_file(path))
}

/// The tensors of a safetensors file: f32, and integers of any kind.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors {
    /// Those of f32, by name.
    pub floats: BTreeMap<String, ArrayD<f32>>,
    /// Those of integers, by name; what is over i64 is its largest.
    pub integers: BTreeMap<String, ArrayD<i64>>,
}

/// The f32 and integer tensors of a safetensors file.
pub fn load_all_tensors(path: impl AsRef<Path>) -> Result<Tensors> {
    let path = path.as_ref();
    let load = || -> Result<Tensors> {
        let bytes = read(path)?;
        let mut found = Tensors::default();
        for (name, view) in deserialize(&bytes)?.0.iter() {
            let name = name.to_owned();
            match integers_of(&view) {
                Some(numbers) => {
                    let array = shaped(&name, &view, numbers)?;
                    found.integers.insert(name, array);
                }
                None => {
                    let array = to_array(&name, &view)?;
                    found.floats.insert(name, array);
                }
            }
        }
        Ok(found)
    };
    load().map_err(in_file(path))
}

/// Writes tensors as a safetensors file.
pub fn save_tensors<'a, T: Float>(
    path: impl AsRef<Path>,
    tensors: impl IntoIterator<Item = (String, ArrayViewD<'a, T>)>,
) -> Result<()> {
    replace(path, &to_safetensors(tensors, None)?)
}

/// Writes a file as a whole: beside first, then renamed into its place. On an error the old file stays as it was.
pub fn replace(path: impl AsRef<Path>, bytes: &[u8]) -> Result<()> {
    let path = path.as_ref();
    if path.exists() && !path.is_file() {
        return Err(failed(path)("expected a regular file, found something else"));
    }
    // Through a link to what it stands for.
    let target = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    write_beside(&target, bytes)
        .map_err(|error| failed(path)(&format!("cannot be written: {}", error.kind())))
}

#[cfg(not(target_arch = "wasm32"))]
fn write_beside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    use std::io::Write;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // As any new file, less the user's umask; tempfile's own default is for the owner alone.
        builder.permissions(std::fs::Permissions::from_mode(0o666));
    }
    let mut beside = builder.tempfile_in(parent.unwrap_or(Path::new(".")))?;
    beside.write_all(bytes)?;
    if let Ok(old) = std::fs::metadata(path) {
        beside.as_file().set_permissions(old.permissions())?;
    }
    beside.as_file().sync_all()?;
    beside.persist(path)?;
    Ok(())
}

#[cfg(target_arch = "wasm32")]
fn write_beside(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    std::fs::write(path, bytes)
}

pub(crate) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).map_err(|error| failed(path)(&format!("cannot be read: {error}")))
}

/// Says in which file a format error was found.
pub(crate) fn in_file(path: &Path) -> impl Fn(Error) -> Error {
    move |error| match error {
        Error::File { .. } => error,
        _ => failed(path)(&error.to_string()),
    }
}

fn failed(path: &Path) -> impl Fn(&str) -> Error {
    move |reason| Error::File { path: path.to_owned(), reason: reason.to_owned() }
}

/// A safetensors file's metadata.
pub(crate) type Metadata = HashMap<String, String>;

pub(crate) fn deserialize(bytes: &[u8]) -> Result<(SafeTensors<'_>, Metadata)> {
    let broken = |error| Error::Safetensors(format!("not a whole safetensors file: {error}"));
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(broken)?;
    Ok((tensors, header.metadata().clone().unwrap_or_default()))
}

pub(crate) fn tensors_from(bytes: &[u8]) -> Result<BTreeMap<String, ArrayD<f32>>> {
    let (tensors, _) = deserialize(bytes)?;
    tensors.iter().map(|(name, view)| Ok((name.to_owned(), to_array(name, &view)?))).collect()
}

fn to_array(name: &str, view: &TensorView<'_>) -> Result<ArrayD<f32>> {
    if view.dtype() != Dtype::F32 {
        let found = view.dtype();
        return Err(Error::Safetensors(format!("tensor {name}: expected F32, found {found:?}")));
    }
    let (numbers, _) = view.data().as_chunks::<4>();
    shaped(name, view, numbers.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
}

fn shaped<T>(name: &str, view: &TensorView<'_>, numbers: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(view.shape(), numbers)
        .map_err(|error| Error::Safetensors(format!("tensor {name}: {error}")))
}

/// None if they are no integers.
fn integers_of(view: &TensorView<'_>) -> Option<Vec<i64>> {
    fn numbers<const N: usize, I: PrimInt>(data: &[u8], read: fn([u8; N]) -> I) -> Option<Vec<i64>> {
        let (numbers, _) = data.as_chunks::<N>();
        Some(numbers.iter().map(|&bytes| read(bytes).to_i64().unwrap_or(i64::MAX)).collect())
    }
    let data = view.data();
    match view.dtype() {
        Dtype::I8 => numbers(data, i8::from_le_bytes),
        Dtype::U8 => numbers(data, u8::from_le_bytes),
        Dtype::I16 => numbers(data, i16::from_le_bytes),
        Dtype::U16 => numbers(data, u16::from_le_bytes),
        Dtype::I32 => numbers(data, i32::from_le_bytes),
        Dtype::U32 => numbers(data, u32::from_le_bytes),
        Dtype::I64 => numbers(data, i64::from_le_bytes),
        Dtype::U64 => numbers(data, u64::from_le_bytes),
        _ => None,
    }
}

pub(crate) fn to_safetensors<'a, T: Float>(
    tensors: impl IntoIterator<Item = (String, ArrayViewD<'a, T>)>,
    metadata: Option<Metadata>,
) -> Result<Vec<u8>> {
    let mut stored = Vec::new();
    for (name, array) in tensors {
        let mut bytes = Vec::with_capacity(array.len() * size_of::<T>());
        array.iter().for_each(|number| bytes.extend_from_slice(number.to_le_bytes().as_ref()));
        stored.push((name, array.shape().to_vec(), bytes));
    }
    let failed = |error| Error::Safetensors(format!("cannot be made: {error}"));
    let views = stored
        .iter()
        .map(|(name, shape, bytes)| TensorView::new(T::DTYPE, shape.clone(), bytes).map(|view| (name, view)));
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(failed)?;
    safetensors::serialize(views, metadata).map_err(failed)
}
