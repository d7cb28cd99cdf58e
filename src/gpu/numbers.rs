//! Numbers as a dtype stores them.

use crate::network::Dtype;
use crate::{Error, Result};
use half::f16;

/// The least number that f16 rounds to infinity. The largest f16 is 65,504; numbers between the two round to
/// 65,504.
const TOO_LARGE: f32 = 65_520.0;

/// Looks for a finite number that a type cannot hold.
///
/// # Errors
/// [`Error::OutOfRange`] for the first one; `name` is the array's.
pub(super) fn check(numbers: &[f32], dtype: Dtype, name: impl FnOnce() -> String) -> Result<()> {
    if dtype == Dtype::F32 {
        return Ok(());
    }
    match numbers.iter().find(|number| number.is_finite() && number.abs() >= TOO_LARGE) {
        Some(&found) => Err(Error::OutOfRange { name: name(), found }),
        None => Ok(()),
    }
}

/// Writes numbers as a type.
///
/// # Errors
/// The errors of [`check`].
pub(super) fn store(numbers: &[f32], dtype: Dtype, bytes: &mut [u8], name: &str) -> Result<()> {
    check(numbers, dtype, || name.into())?;
    let bytes = &mut bytes[..numbers.len() * dtype.bytes() as usize];
    match dtype {
        Dtype::F32 => bytes.copy_from_slice(bytemuck::cast_slice(numbers)),
        Dtype::F16 => {
            for (to, &number) in bytes.chunks_exact_mut(2).zip(numbers) {
                to.copy_from_slice(&f16::from_f32(number).to_ne_bytes());
            }
        }
    }
    Ok(())
}

/// Reads a number of a type from as many bytes as it has.
pub(super) fn number(bytes: &[u8], dtype: Dtype) -> f32 {
    match dtype {
        Dtype::F32 => bytemuck::pod_read_unaligned(bytes),
        Dtype::F16 => f16::from_ne_bytes([bytes[0], bytes[1]]).to_f32(),
    }
}
