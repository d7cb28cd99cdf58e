//! Files that only save time. Contents that cannot be read are made again, a file that cannot be written is
//! left out, and both are logged.

use crate::io::{read_regular, replace};
use std::{
    io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

/// A file whose first line, the header, tells its kind and its owner.
#[derive(Clone, Debug)]
pub(crate) struct CacheFile {
    path: PathBuf,
    header: String,
}

/// The most tries to merge with other processes that write at the same time.
const MERGES: usize = 3;

impl CacheFile {
    /// A header is one line. A file with another header belongs to another owner, and its contents are not
    /// read.
    pub fn new(path: PathBuf, header: &str) -> CacheFile {
        CacheFile { path, header: one_line(header) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes below the header; none if there is no file, or the file has another header.
    pub fn read(&self) -> Option<Vec<u8>> {
        let path = self.path.display();
        match read_regular(&self.path) {
            Ok(bytes) => {
                let body =
                    bytes.strip_prefix(self.header.as_bytes()).and_then(|rest| rest.strip_prefix(b"\n"));
                if body.is_none() && !bytes.is_empty() {
                    log::warn!("{path} is ignored: it does not begin with \"{}\"", self.header);
                }
                body.map(<[u8]>::to_vec)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                log::warn!("{path} is ignored: {error}");
                None
            }
        }
    }

    /// Replaces the whole file.
    pub fn write(&self, body: &[u8]) {
        let bytes = [self.header.as_bytes(), b"\n", body].concat();
        if let Err(error) = replace(&self.path, &bytes) {
            log::warn!("not kept: {error}");
        }
    }

    /// Replaces the contents by `merge` of the contents, until `merge` changes nothing.
    ///
    /// Threads of a process take turns. Processes do not take turns: each reads the file again to see whether
    /// its own contents are still there.
    pub fn update(&self, merge: impl Fn(Option<&[u8]>) -> Vec<u8>) {
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..MERGES {
            let old = self.read();
            let new = merge(old.as_deref());
            if old.as_ref() == Some(&new) {
                return;
            }
            self.write(&new);
        }
    }
}

/// The text with spaces for characters that would end a line or a column.
pub(crate) fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// FNV-1a of 64 bits: tells apart any two texts that differ in one byte, and most others.
pub(crate) fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, &byte| (sum ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    #[test]
    fn checksums_are_fnv_1a() {
        assert_eq!(super::checksum(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(super::checksum(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(super::checksum(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
