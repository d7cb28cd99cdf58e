//! The limits of reading a file.

use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// The limits of reading a file. Each part is spent before memory is asked for.
///
/// ```
/// use wgpu_rnn::file::Limits;
/// use wgpu_rnn::Weights;
///
/// let mut limits = Limits::default();
/// limits.tensors = 10;
/// let reader = Weights::reader().limits(limits);
/// # let _ = reader;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of memory for headers, names and arrays that have to be unpacked, beside the weights themselves.
    /// None for three times the file and 8 MiB.
    pub bytes: Option<u64>,
    /// Arrays in a file, or values of a pickle or a graph.
    pub tensors: u64,
    /// Containers within containers: files in a zip, dictionaries in a pickle, bodies in a graph.
    pub depth: u64,
}

impl Default for Limits {
    /// A million arrays, 64 containers within each other.
    fn default() -> Limits {
        Limits { bytes: None, tensors: 1 << 20, depth: 64 }
    }
}

/// Bytes that any file may take.
const SMALL: u64 = 1 << 23;

/// The rest of the limits.
#[derive(Debug)]
pub(crate) struct Budget {
    limits: Limits,
    bytes: AtomicU64,
    tensors: AtomicU64,
    numbers: AtomicU64,
}

impl Budget {
    /// The whole of the limits, for a file of this length.
    pub fn new(limits: Limits, file: u64) -> Budget {
        let bytes = limits.bytes.unwrap_or_else(|| file.saturating_mul(3).saturating_add(SMALL));
        let (bytes, tensors) = (bytes.into(), limits.tensors.into());
        Budget { limits, bytes, tensors, numbers: file.saturating_add(SMALL).into() }
    }

    /// The most numbers of a network: one for each byte of the file, of files beside and of what was
    /// unpacked, and a few more. Arrays may promise any number, where their parts are in the file once or not
    /// at all.
    pub fn numbers(&self) -> u64 {
        self.numbers.load(Ordering::Relaxed)
    }

    /// Adds the bytes of a file beside, or of an array that is unpacked.
    pub fn add_source(&self, len: u64) {
        add(&self.numbers, len);
    }

    /// Asks for bytes of memory.
    pub fn bytes(&self, what: &str, needed: u64) -> Result<()> {
        spend(&self.bytes, needed).map_err(|left| over(what, "bytes", needed, left))
    }

    /// Gives back bytes that were not used.
    pub fn give_back(&self, unused: u64) {
        add(&self.bytes, unused);
    }

    /// Counts an array, or a value of a pickle or a graph.
    pub fn tensor(&self, what: &str) -> Result<()> {
        spend(&self.tensors, 1).map_err(|_| {
            let limit = self.limits.tensors;
            over(what, "tensors", limit.saturating_add(1), limit)
        })
    }

    /// Checks how deep a container lies within others.
    pub fn depth(&self, what: &str, depth: u64) -> Result<()> {
        if depth <= self.limits.depth { Ok(()) } else { Err(over(what, "depth", depth, self.limits.depth)) }
    }
}

fn spend(left: &AtomicU64, needed: u64) -> Result<(), u64> {
    let take = |left: u64| left.checked_sub(needed);
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map(|_| ())
}

fn add(to: &AtomicU64, more: u64) {
    let _ = to.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| Some(left.saturating_add(more)));
}

fn over(what: &str, unit: &'static str, needed: u64, limit: u64) -> Error {
    let unit = if unit == "depth" { "containers within each other" } else { unit };
    Error::TooLarge { what: what.to_owned(), needed, limit, unit, holder: "the limits of reading" }
}
