//! Training: losses of predictions, and heads that make predictions of a network's output.

mod head;
mod lengths;
mod loss;
mod targets;

pub use head::{Head, HeadGradients, HeadParams, HeadWeights, ReadGradients, Reads};
pub use loss::{Loss, LossValue, argmax, greedy_decode};
pub use targets::Targets;
