//! Training: data and checkpoints.

mod checkpoint;
mod dataset;
mod loader;
mod prefetch;

pub use checkpoint::Checkpoint;
pub use dataset::{Batch, Dataset};
pub use loader::Loader;
pub use prefetch::Prefetch;
