//! The process that computes. A fork of it has none of its threads, and a GPU's connection that it must not
//! use: a call there would never end.

use crate::error;
use pyo3::PyResult;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that made the first network; 0 before that.
static OWNER: AtomicU32 = AtomicU32::new(0);

/// Refuses a fork of the process that made the first network.
pub fn check() -> PyResult<()> {
    let own = std::process::id();
    match OWNER.compare_exchange(0, own, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => Ok(()),
        Err(owner) if owner == own => Ok(()),
        Err(owner) => Err(error::runtime(
            format!(
                "process: expected process {owner}, which made the first network, found {own}, a fork of it \
                 (start processes by spawn or forkserver)"
            ),
            "Fork",
        )),
    }
}
