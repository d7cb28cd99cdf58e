//! The training loop, without PyTorch.
//!
//! [`dataset`] has sequences and their order, [`settings`] heads, losses, optimisers, clips and schedules,
//! [`targets`] the targets of a batch, [`reduction`] the sum over machines, [`trainer`] the loop.

mod dataset;
mod reduction;
mod settings;
mod targets;
mod trainer;

pub use dataset::{Dataset, Loader};
pub use settings::{Clip, Head, Loss, Optimizer, Schedule};
pub use trainer::{Report, Trainer};
