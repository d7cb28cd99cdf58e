//! Asks for memory before an array is made, since arrays abort where there is none.

use crate::{Error, Result};

/// Bytes that are allocated without asking: a process that cannot have so few has no memory at all.
const SMALL: usize = 1 << 20;

/// Asks for the memory of an array of this shape.
pub(crate) fn check<T>(what: impl FnOnce() -> String, shape: &[usize]) -> Result<()> {
    check_bytes(what, bytes::<T>(shape))
}

/// The bytes of an array of this shape, which may be more than memory can hold: sizes may have 32 bits.
pub(crate) fn bytes<T>(shape: &[usize]) -> u64 {
    shape.iter().fold(size_of::<T>().max(1) as u64, |bytes, &axis| bytes.saturating_mul(axis as u64))
}

/// Asks for so many bytes.
pub(crate) fn check_bytes(what: impl FnOnce() -> String, needed: u64) -> Result<()> {
    let limit = isize::MAX as usize;
    match usize::try_from(needed) {
        Ok(bytes) if bytes <= SMALL => Ok(()),
        Ok(bytes) if bytes <= limit && Vec::<u8>::new().try_reserve_exact(bytes).is_ok() => Ok(()),
        Ok(bytes) if bytes <= limit => Err(Error::Memory { what: what(), needed }),
        _ => {
            let (limit, unit, holder) = (limit as u64, "bytes", "memory");
            Err(Error::TooLarge { what: what(), needed, limit, unit, holder })
        }
    }
}
