//! Asks for memory before an array is made, since arrays abort where there is none.

use crate::{Error, Result};

/// Bytes that are allocated without asking: a process that cannot have so few has no memory at all.
const SMALL: usize = 1 << 20;

/// Asks for the memory of an array of this shape.
pub(crate) fn check<T>(what: impl FnOnce() -> String, shape: &[usize]) -> Result<()> {
    let size = size_of::<T>().max(1);
    let elements = shape.iter().try_fold(1_usize, |product, &axis| product.checked_mul(axis));
    let limit = isize::MAX as usize / size;
    match elements {
        Some(elements) if elements <= SMALL / size => Ok(()),
        Some(elements) if elements <= limit && Vec::<T>::new().try_reserve_exact(elements).is_ok() => Ok(()),
        Some(elements) if elements <= limit => {
            Err(Error::Memory { what: what(), needed: (elements * size) as u64 })
        }
        _ => {
            let needed = shape.iter().fold(size as u64, |bytes, &axis| bytes.saturating_mul(axis as u64));
            let (limit, unit, holder) = (isize::MAX as u64, "bytes", "memory");
            Err(Error::TooLarge { what: what(), needed, limit, unit, holder })
        }
    }
}
