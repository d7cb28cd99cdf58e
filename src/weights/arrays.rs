//! Arrays of a file by their names: those of other layers than recurrent ones.

use super::formats::{self, Array, Element, Limits, OpenFile, Part, Recipe};
use crate::quote::quote;
use crate::{Error, Float, Result, io};
use ndarray::{Array as Numbers, Dimension};
use std::path::{Path, PathBuf};

/// Names that an error lists.
const LISTED: usize = 8;

/// The arrays of a file of any [format](crate::file) that weights are read from: those of an embedding, a
/// convolution, a linear layer, which stand beside the recurrent layers.
///
/// An array has the name that [`inspect`](super::inspect()) gives. Numbers are read when an array is asked
/// for, and converted as weights are: f16, bf16, f64 and integers become f32 or f64. Integers with a scale
/// stay without it; the scale is an array of its own. Linear layers keep the orientation that the file has:
/// PyTorch's `[out, in]`, Keras' `[in, out]`.
///
/// ```
/// use ndarray::{Array2, Array3, Axis, array};
/// use wgpu_rnn::file::{self, Arrays, Limits};
/// use wgpu_rnn::{Config, Engine, Init, Naming, Rnn, Weights};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("model.safetensors");
/// # let made = Weights::init(&Config::lstm(5).input_size(3), &Init::pytorch())?;
/// # let rows = Array2::from_elem((10, 3), 0.5_f32);
/// # let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (format!("lstm.{name}"), tensor));
/// # file::save_tensors(&path, tensors.chain([("embedding.weight".into(), rows.view().into_dyn())]))?;
/// // A model of an embedding [10, 3] and an LSTM, from one file.
/// let arrays = Arrays::open(&path, Limits::default())?;
/// let embedding: Array2<f32> = arrays.array("embedding.weight")?;
/// let lstm = Rnn::new(&Engine::auto(), Weights::load(&path)?);
///
/// let words = [7, 2, 2, 9]; // T 4 of one sequence
/// let input: Array3<f32> = embedding.select(Axis(0), &words).insert_axis(Axis(1));
/// assert_eq!(lstm.forward(&input, None)?.output.dim(), (4, 1, 5));
///
/// let error = arrays.array::<f32, ndarray::Ix2>("embeding").unwrap_err().to_string();
/// assert!(error.contains(r#"array: expected "embeding", found "embedding.weight""#), "{error}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Arrays {
    /// None of a file in memory.
    path: Option<PathBuf>,
    arrays: Vec<Array<'static>>,
}

impl Arrays {
    /// Opens a file and reads its headers.
    ///
    /// # Errors
    /// [`Error::File`] for a file that cannot be read, or is of no known kind.
    pub fn open(path: impl AsRef<Path>, limits: Limits) -> Result<Arrays> {
        let path = path.as_ref();
        let source = Part::whole(OpenFile::open(path)?);
        let opened = formats::open(source, path.parent(), limits).map_err(io::in_file(path))?;
        Ok(Arrays { path: Some(path.to_owned()), arrays: opened.arrays })
    }

    /// The same, of a file in memory.
    ///
    /// # Errors
    /// [`Error::Format`] for bytes of no known kind. Where other functions of this type name [`Error::File`],
    /// its cause stands alone.
    pub fn from_bytes(bytes: Vec<u8>, limits: Limits) -> Result<Arrays> {
        let opened = formats::open(Part::whole(bytes), None, limits)?;
        Ok(Arrays { path: None, arrays: opened.arrays })
    }

    /// The names of all arrays, in the file's order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.arrays.iter().map(|array| array.name.as_str())
    }

    /// The array of this name, with as many axes as the result's type has; any number with
    /// [`ArrayD`](ndarray::ArrayD).
    ///
    /// # Errors
    /// [`Error::File`] for a name that is no array's, or that of several, and for an array with other axes,
    /// of another type than numbers, or whose numbers cannot be read.
    pub fn array<T: Float, D: Dimension>(&self, name: &str) -> Result<Numbers<T, D>> {
        self.read(name).map_err(|error| match &self.path {
            Some(path) => io::in_file(path)(error),
            None => error,
        })
    }

    fn read<T: Float, D: Dimension>(&self, name: &str) -> Result<Numbers<T, D>> {
        let refuse = |expected: String, found| Error::Argument { name: "array", expected, found };
        let matching: Vec<&Array<'_>> = self.arrays.iter().filter(|array| array.name == name).collect();
        let &[Array { view, .. }] = matching.as_slice() else {
            let found = if matching.is_empty() { self.near(name) } else { matching.len().to_string() };
            return Err(refuse(quote(name), found));
        };
        if let Element::Other(element) = &view.element {
            let expected = format!("floats or integers in {}", quote(name));
            return Err(refuse(expected, element.to_string()));
        }
        let shape =
            |expected: String| Error::Shape { name: name.into(), expected, found: view.shape.clone() };
        if let Some(axes) = D::NDIM.filter(|&axes| axes != view.shape.len()) {
            return Err(shape(format!("of {axes} axes")));
        }
        let numbers = Recipe::from(view.clone()).read::<T>()?;
        // The axes were counted just above.
        numbers.into_dimensionality().map_err(|_| shape("of other axes".into()))
    }

    /// The names that are most like one that is not there: those with the most equal letters at both ends.
    fn near(&self, name: &str) -> String {
        if self.arrays.is_empty() {
            return "no arrays".into();
        }
        let equal = |of: &str| {
            let pairs = |one: &str, other: &str| {
                one.chars().zip(other.chars()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
            };
            let turned = |text: &str| text.chars().rev().collect::<String>();
            pairs(of, name).saturating_add(pairs(&turned(of), &turned(name)))
        };
        let mut names: Vec<&str> = self.names().collect();
        // A stable sort: equally near names stay in the file's order.
        names.sort_by_cached_key(|of| std::cmp::Reverse(equal(of)));
        let listed: Vec<String> = names.iter().take(LISTED).map(|name| quote(name)).collect();
        let more = names.len().saturating_sub(LISTED);
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        listed.join(", ") + &rest
    }
}
