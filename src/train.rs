//! Training: optimisers, clipping, schedules of the learning rate, and scales of the loss.

mod clip;
mod loss_scale;
mod optimizer;
mod schedule;
mod settings;

pub use clip::{Clip, NORM_BLOCK, norm, square_sums};
pub use loss_scale::{LossScale, LossScaleState};
pub use optimizer::{Coefficients, Optimizer, Rule};
pub use schedule::{Plateau, Schedule, ScheduleState};
