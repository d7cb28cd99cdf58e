//! Faults of a file, and their places.

use crate::Error;

/// The errors of one format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    format: &'static str,
}

impl Fault {
    pub const fn new(format: &'static str) -> Fault {
        Fault { format }
    }

    pub fn error(self, what: &str, expected: impl ToString, found: impl ToString) -> Error {
        let (expected, found) = (expected.to_string(), found.to_string());
        self.says(format!("{what}: expected {expected}, found {found}"))
    }

    pub fn at(self, position: u64, what: &str, expected: impl ToString, found: impl ToString) -> Error {
        self.error(&format!("{what} at byte {position}"), expected, found)
    }

    pub fn says(self, reason: String) -> Error {
        Error::Format { format: self.format, reason }
    }
}
