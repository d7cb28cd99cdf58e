//! The formats that weights are read from.
//!
//! ```text
//! bytes ──► a dialect ──► networks ──► one, by its name ──► Config and Weights
//! Part      Opened        Found        pick                 reader.rs
//! ```
//!
//! - **Bytes** are a [`Part`] of a `Source`: a file that is read by range, memory, or what a member of an
//!   archive unpacks to. Headers are read by a [`Cursor`], whose arithmetic is checked. The numbers of arrays
//!   are passed over. An error is made by a [`Fault`]: format, part, place, expectation, finding.
//! - **A dialect** is a row of [`DIALECTS`]: what tells its files, and the function that opens one. Its
//!   answer is [`Opened`]: every [`Array`] of the file, for people to look at, and every network that it
//!   found.
//! - **An array** is a [`View`]: type, shape, strides, and the part that has its numbers. Nothing is read
//!   before weights are made, so that looking at a file costs its headers alone.
//! - **A network** is [`Found`]: its name, its tensors under our names, and what the file [`Stated`] about
//!   options. Each tensor is a [`Recipe`], by which it is made of arrays: parts of them, in another order,
//!   transposed, joined, added, scaled. Sizes, layers, directions and biases are not stated: `infer.rs` tells
//!   them from the tensors' shapes, for all dialects.
//! - **The choice** of a network is [`pick`]'s, and `reader.rs` makes weights of it. A recipe writes right
//!   into the flat parameters, so that a large file of f32 is copied once.
//!
//! Memory, arrays and depth are spent from a [`Budget`] before they are used.
//!
//! # How to add a dialect
//! 1. A file of this folder with `open(&Opening) -> Result<Opened>`, which reads headers by a [`Cursor`].
//!    Arrays get a [`View`] each. [`Part::whole`] of bytes, or of a `Source` of its own, has numbers that the
//!    file does not have as they are (text, packed, compressed).
//! 2. Networks: [`by_names`] where arrays have names in PyTorch's or Gluon's schemes. Else a [`Found`] for
//!    each, with [`Spelling::named`], recipes under [`TensorName`](super::TensorName)s, and
//!    [`Stated::say`] for each option, with the file's own word for the option.
//! 3. A row of [`DIALECTS`].
//! 4. Goldens by the real tool, a row in the table of `tests/formats/`, and a seed in `fuzz/`.
#![deny(clippy::arithmetic_side_effects)]
#![cfg_attr(
    not(feature = "formats"),
    allow(dead_code, unused_imports, reason = "safetensors needs a part of it")
)]
#![forbid(unsafe_code)]

mod array;
mod cursor;
mod fault;
mod found;
#[cfg(feature = "formats")]
mod hdf5;
#[cfg(feature = "formats")]
mod keras;
mod limits;
mod names;
#[cfg(feature = "formats")]
pub(crate) mod npy;
#[cfg(feature = "formats")]
pub(crate) mod onnx;
#[cfg(feature = "formats")]
pub(crate) mod params;
#[cfg(feature = "formats")]
mod pickle;
mod recipe;
pub(crate) mod safetensors;
mod source;
mod stated;
#[cfg(feature = "formats")]
mod torch;
#[cfg(feature = "formats")]
mod zip;

pub(crate) use array::{Array, Element, View, count};
pub(crate) use cursor::Cursor;
pub(crate) use fault::Fault;
pub(crate) use found::{Found, Tensor, by_names, pick};
pub(crate) use limits::Budget;
pub use limits::Limits;
pub(crate) use names::Spelling;
pub(crate) use recipe::Recipe;
pub(crate) use source::{OpenFile, Part};
pub(crate) use stated::Stated;

use crate::Result;
use std::path::{Component, Path};

/// The first bytes of a file, zeros past its end.
type Head = [u8; 16];

/// A kind of file.
struct Dialect {
    name: &'static str,
    is: fn(&Head) -> bool,
    open: for<'a> fn(&Opening<'a, '_>) -> Result<Opened<'a>>,
}

/// All dialects; the first one that a file's first bytes tell opens the file. A length of safetensors may
/// look like a pickle's first bytes.
#[cfg(feature = "formats")]
const DIALECTS: [Dialect; 8] = [
    SAFETENSORS,
    Dialect { name: "MXNet .params", is: params::is, open: params::open },
    Dialect { name: "ONNX", is: onnx::is, open: onnx::open },
    Dialect { name: "PyTorch checkpoint", is: torch::is_old, open: torch::open_old },
    Dialect { name: "pickle", is: torch::is_pickle, open: torch::open_pickle },
    Dialect { name: ".npy", is: npy::is, open: npy::open },
    Dialect { name: "Keras HDF5", is: hdf5::is, open: keras::open_hdf5 },
    Dialect { name: "a zip archive of these", is: zip::is, open: open_archive },
];

#[cfg(not(feature = "formats"))]
const DIALECTS: [Dialect; 1] = [SAFETENSORS];

const SAFETENSORS: Dialect = Dialect { name: "safetensors", is: safetensors::is, open: safetensors::open };

/// A file that is being opened.
pub(crate) struct Opening<'a, 'b> {
    pub part: Part<'a>,
    /// The folder of the file, which may have large arrays in files beside; none for bytes in memory.
    pub folder: Option<&'b Path>,
    pub budget: &'b Budget,
}

impl<'a> Opening<'a, '_> {
    /// A file beside the one that is opened, by the name that the latter has for it: a path downwards.
    pub fn beside(&self, fault: Fault, name: &str) -> Result<Part<'a>> {
        let refuse =
            |expected: &str| fault.error(&format!("file {}", crate::quote::quote(name)), expected, "another");
        let folder = self.folder.ok_or_else(|| refuse("a file on disk that it lies beside"))?;
        let is_plain = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || !Path::new(name).components().all(is_plain) {
            return Err(refuse("a path within the model's folder"));
        }
        let part = Part::whole(OpenFile::open(&folder.join(name))?);
        self.budget.add_source(part.len());
        Ok(part)
    }
}

/// The contents of a file.
pub(crate) struct Opened<'a> {
    pub dialect: &'static str,
    pub arrays: Vec<Array<'a>>,
    pub networks: Vec<Found<Recipe<'a>>>,
}

/// Opens a file of any dialect.
pub(crate) fn open<'a>(part: Part<'a>, folder: Option<&Path>, limits: Limits) -> Result<Opened<'a>> {
    let head = part.head()?;
    let budget = Budget::new(limits, part.len());
    let opening = Opening { part, folder, budget: &budget };
    match DIALECTS.iter().find(|dialect| (dialect.is)(&head)) {
        Some(dialect) => {
            let mut opened = (dialect.open)(&opening)?;
            opened.networks.iter_mut().for_each(|found| found.limit::<f32>(budget.numbers()));
            Ok(opened)
        }
        None => {
            let known = DIALECTS.each_ref().map(|dialect| dialect.name).join(", ");
            let found = match opening.part.len() {
                0 => "an empty file".to_owned(),
                len => {
                    let there = head.get(..usize::try_from(len).unwrap_or(usize::MAX)).unwrap_or(&head);
                    format!("the first bytes {}", crate::quote::quote(&String::from_utf8_lossy(there)))
                }
            };
            Err(Fault::new("file").error("kind", known, found))
        }
    }
}

/// Opens a zip archive, whose members tell the dialect.
#[cfg(feature = "formats")]
fn open_archive<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let archive = zip::Archive::open(opening.part.clone(), opening.budget)?;
    if let Some(folder) = torch::folder(&archive) {
        return torch::open_archive(&archive, folder, opening.budget);
    }
    if keras::is_archive(&archive) {
        return keras::open_archive(&archive, opening.budget);
    }
    npy::open_archive(&archive, opening.budget)
}

/// A file of arrays whose names tell its networks.
pub(crate) fn of_arrays<'a>(
    dialect: &'static str,
    arrays: Vec<Array<'a>>,
    stated: &Stated,
) -> Result<Opened<'a>> {
    let recipes = arrays.iter().map(|Array { name, view }| (name.clone(), Recipe::from(view.clone())));
    let (networks, _) = by_names(recipes.collect(), stated)?;
    Ok(Opened { dialect, arrays, networks })
}
