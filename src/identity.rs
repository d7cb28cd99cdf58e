//! The network and the weights that a saved call belongs to.

use crate::{Error, Result};
use std::sync::atomic::{AtomicU64, Ordering};

/// A network on an engine with a dtype, and its weights as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    network: u64,
    weights: u64,
}

impl Identity {
    /// A network that there was not before.
    pub fn new() -> Identity {
        let number = next();
        Identity { network: number, weights: number }
    }

    /// The same network with other weights.
    pub fn with_other_weights(self) -> Identity {
        Identity { weights: next(), ..self }
    }

    /// Refuses a saved call of another network, or of weights that are no longer those of this one.
    pub fn check(self, saved: Identity) -> Result<()> {
        match saved {
            saved if saved == self => Ok(()),
            saved if saved.network == self.network => Err(Error::WeightsChanged),
            _ => Err(Error::SavedElsewhere),
        }
    }
}

fn next() -> u64 {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}
