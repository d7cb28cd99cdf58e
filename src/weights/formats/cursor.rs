//! The one reader of bytes: numbers one after the other, checked against the end.

use super::{Budget, Fault, Part};
use crate::Result;

/// Bytes that are read ahead.
const AHEAD: usize = 1 << 14;

/// A place in a part of a file, from which numbers are read. Arrays are passed over.
pub(crate) struct Cursor<'a> {
    part: Part<'a>,
    fault: Fault,
    position: u64,
    ahead: Vec<u8>,
    /// The place of the first byte in `ahead`.
    ahead_at: u64,
}

impl<'a> Cursor<'a> {
    /// The start of a part; `fault` names the format.
    pub fn new(part: Part<'a>, fault: Fault) -> Cursor<'a> {
        Cursor { part, fault, position: 0, ahead: Vec::new(), ahead_at: 0 }
    }

    pub fn position(&self) -> u64 {
        self.position
    }

    pub fn left(&self) -> u64 {
        self.part.len().saturating_sub(self.position)
    }

    pub fn is_at_end(&self) -> bool {
        self.left() == 0
    }

    /// An error at this place.
    pub fn error(&self, what: &str, expected: impl ToString, found: impl ToString) -> crate::Error {
        self.fault.at(self.position, what, expected, found)
    }

    /// Goes to a place, which may be behind the end: the next number is then refused.
    pub fn seek(&mut self, position: u64) {
        self.position = position;
    }

    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    pub fn u8(&mut self, what: &str) -> Result<u8> {
        Ok(self.array::<1>(what)?[0])
    }

    pub fn u16(&mut self, what: &str) -> Result<u16> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32> {
        self.array(what).map(u32::from_le_bytes)
    }

    pub fn i32(&mut self, what: &str) -> Result<i32> {
        self.array(what).map(i32::from_le_bytes)
    }

    pub fn u64(&mut self, what: &str) -> Result<u64> {
        self.array(what).map(u64::from_le_bytes)
    }

    pub fn i64(&mut self, what: &str) -> Result<i64> {
        self.array(what).map(i64::from_le_bytes)
    }

    /// Bytes that have their memory from the budget.
    pub fn bytes(&mut self, what: &str, len: u64, budget: &Budget) -> Result<Vec<u8>> {
        self.check(what, len)?;
        budget.bytes(what, len)?;
        // No more than the part has.
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.fill(what, &mut bytes)?;
        Ok(bytes)
    }

    /// A text up to the end of its line.
    pub fn line(&mut self, what: &str, budget: &Budget) -> Result<String> {
        let mut bytes = Vec::new();
        loop {
            match self.u8(what)? {
                b'\n' => break,
                byte => {
                    budget.bytes(what, 1)?;
                    bytes.push(byte);
                }
            }
        }
        String::from_utf8(bytes).map_err(|_| self.error(what, "UTF-8", "other bytes"))
    }

    /// A text of UTF-8.
    pub fn text(&mut self, what: &str, len: u64, budget: &Budget) -> Result<String> {
        let start = self.position;
        let bytes = self.bytes(what, len, budget)?;
        String::from_utf8(bytes).map_err(|_| self.fault.at(start, what, "UTF-8", "other bytes"))
    }

    /// Passes over bytes, and gives the part that they are.
    pub fn skip(&mut self, what: &str, len: u64) -> Result<Part<'a>> {
        self.check(what, len)?;
        let part = self.part.part(self.position, len).ok_or_else(|| self.error(what, len, self.left()))?;
        self.position = self.position.saturating_add(len);
        Ok(part)
    }

    fn check(&self, what: &str, len: u64) -> Result<()> {
        if len <= self.left() {
            return Ok(());
        }
        let found =
            if self.is_at_end() { "the end".to_owned() } else { format!("{} to the end", self.left()) };
        Err(self.error(what, format!("{len} byte{}", if len == 1 { "" } else { "s" }), found))
    }

    fn fill(&mut self, what: &str, into: &mut [u8]) -> Result<()> {
        self.check(what, into.len() as u64)?;
        if into.len() > AHEAD {
            self.part.read_at(self.position, into)?;
        } else {
            let bytes = match self.ahead(into.len()) {
                Some(bytes) => bytes,
                None => {
                    let len = usize::try_from(self.left()).unwrap_or(usize::MAX).min(AHEAD);
                    self.ahead.resize(len, 0);
                    self.ahead_at = self.position;
                    self.part.read_at(self.position, &mut self.ahead)?;
                    self.ahead(into.len()).unwrap_or_default()
                }
            };
            // As many as were checked for.
            into.copy_from_slice(bytes);
        }
        self.position = self.position.saturating_add(into.len() as u64);
        Ok(())
    }

    /// The next bytes, if they were read ahead.
    fn ahead(&self, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(self.position.checked_sub(self.ahead_at)?).ok()?;
        self.ahead.get(start..start.checked_add(len)?)
    }
}
