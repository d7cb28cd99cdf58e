//! Bytes that are read by range, wherever they are.

use super::Fault;
use crate::{Error, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that can be read from any place: a file, memory, an unpacked member of an archive.
pub(crate) trait Source: Send + Sync {
    fn len(&self) -> u64;

    /// Fills `into` with the bytes from `offset` on, all of which the source has.
    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()>;

    /// The source itself, if it borrows nothing.
    fn lasting(self: Arc<Self>) -> Option<Arc<dyn Source>> {
        None
    }
}

impl Source for &[u8] {
    fn len(&self) -> u64 {
        <[u8]>::len(self) as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let start = usize::try_from(offset).ok();
        let end = start.and_then(|start| start.checked_add(into.len()));
        let found = start.zip(end).and_then(|(start, end)| self.get(start..end));
        into.copy_from_slice(found.ok_or_else(|| past_the_end(offset))?);
        Ok(())
    }
}

impl Source for Vec<u8> {
    fn len(&self) -> u64 {
        self.as_slice().len() as u64
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        self.as_slice().read_at(offset, into)
    }

    fn lasting(self: Arc<Self>) -> Option<Arc<dyn Source>> {
        Some(self)
    }
}

/// An error of this library: parts are checked when they are cut.
fn past_the_end(offset: u64) -> Error {
    Fault::new("file").error("bytes", format!("some at byte {offset}"), "the end")
}

/// A file that stays open while arrays of it may be read.
pub(crate) struct OpenFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl OpenFile {
    /// Opens a regular file.
    pub fn open(path: &Path) -> Result<OpenFile> {
        let (file, len) = crate::io::open(path)?;
        Ok(OpenFile { path: path.to_owned(), file, len })
    }
}

impl Source for OpenFile {
    fn len(&self) -> u64 {
        self.len
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        read_exact_at(&self.file, offset, into).map_err(|error| Error::File {
            path: self.path.clone(),
            reason: format!("cannot be read at byte {offset}: {error}"),
        })
    }

    fn lasting(self: Arc<Self>) -> Option<Arc<dyn Source>> {
        Some(self)
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, offset)
}

#[cfg(not(unix))]
fn read_exact_at(file: &File, offset: u64, into: &mut [u8]) -> std::io::Result<()> {
    use std::io::{Read, Seek, SeekFrom};
    // The place of a file is shared by all of its readers.
    static PLACE: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _held = PLACE.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let mut file = file;
    file.seek(SeekFrom::Start(offset))?;
    file.read_exact(into)
}

/// A part of a source, which is within the source.
#[derive(Clone)]
pub(crate) struct Part<'a> {
    of: Arc<dyn Source + 'a>,
    start: u64,
    len: u64,
}

impl<'a> Part<'a> {
    /// All of a source.
    pub fn whole(source: impl Source + 'a) -> Part<'a> {
        let len = source.len();
        Part { of: Arc::new(source), start: 0, len }
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    /// Some of the bytes; none if they are not all there.
    pub fn part(&self, offset: u64, len: u64) -> Option<Part<'a>> {
        let end = offset.checked_add(len)?;
        let start = self.start.checked_add(offset)?;
        (end <= self.len).then(|| Part { of: self.of.clone(), start, len })
    }

    pub fn read_at(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let end = offset.checked_add(into.len() as u64);
        match self.start.checked_add(offset) {
            Some(start) if end.is_some_and(|end| end <= self.len) => self.of.read_at(start, into),
            _ => Err(past_the_end(offset)),
        }
    }

    /// All bytes; the budget has them.
    pub fn read(&self, what: &str, budget: &super::Budget) -> Result<Vec<u8>> {
        budget.bytes(what, self.len)?;
        let len = usize::try_from(self.len).unwrap_or(usize::MAX);
        crate::memory::check::<u8>(|| what.to_owned(), &[len])?;
        let mut bytes = vec![0; len];
        self.read_at(0, &mut bytes)?;
        Ok(bytes)
    }

    /// The same bytes without a borrow: where they are, or a copy, for which the budget must have the memory.
    pub fn lasting(&self, what: &str, budget: &super::Budget) -> Result<Part<'static>> {
        match self.of.clone().lasting() {
            Some(of) => Ok(Part { of, start: self.start, len: self.len }),
            None => {
                let copy = self.read(what, budget)?;
                // A file and its bytes have the same left for what is unpacked.
                budget.give_back(self.len);
                Ok(Part::whole(copy))
            }
        }
    }

    /// The first bytes: as many as there are, up to N; zeros behind them.
    pub fn head<const N: usize>(&self) -> Result<[u8; N]> {
        let mut head = [0; N];
        let len = usize::try_from(self.len).unwrap_or(usize::MAX).min(N);
        if let Some(some) = head.get_mut(..len) {
            self.read_at(0, some)?;
        }
        Ok(head)
    }
}

impl std::fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes from {}", self.len, self.start)
    }
}
