//! Training: data, losses, heads, optimisers, checkpoints, and the loop.

mod checkpoint;
mod clip;
mod dataset;
mod head;
mod lengths;
mod loader;
mod loss;
mod loss_scale;
mod optimizer;
mod prefetch;
mod schedule;
mod settings;
mod targets;
mod trainer;

pub use checkpoint::Checkpoint;
pub use clip::{Clip, NORM_BLOCK, norm, square_sums};
pub use dataset::{Batch, Dataset};
pub use head::{Head, HeadGradients, HeadParams, HeadWeights, ReadGradients, Reads};
pub use loader::Loader;
pub use loss::{Loss, LossValue, argmax, greedy_decode};
pub use loss_scale::{LossScale, LossScaleState};
pub use optimizer::{Coefficients, Optimizer, Rule};
pub use prefetch::Prefetch;
pub use schedule::{Plateau, Schedule, ScheduleState};
pub use targets::Targets;
pub use trainer::{Report, Trainer};
