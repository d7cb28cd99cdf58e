
mod clip;
mod head;
mod lengths;
mod loss;
mod loss_scale;
mod optimizer;
mod schedule;
mod settings;
mod targets;

pub use clip::{Clip, NORM_BLOCK, norm, square_sums};
pub use head::{Head, HeadGradients, HeadParams, HeadWeights, ReadGradients, Reads};
pub use loss::{Loss, LossValue, argmax, greedy_decode};
pub use loss_scale::{LossScale, LossScaleState};
pub use optimizer::{Coefficients, Optimizer, Rule};
pub use schedule::{Plateau, Schedule, ScheduleState};
pub use targets::Targets;
