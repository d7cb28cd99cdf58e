//! The report of an update, and the functions that are told.

use super::Trainer;
use std::fmt;

/// One update of the parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Report {
    /// The number of the update; the first is 1.
    pub step: u64,
    /// The loss, the mean over the rows of all accumulated batches.
    pub loss: f64,
    /// Rows that the loss is a mean of.
    pub rows: usize,
    /// Rows whose prediction is right, as in [`LossValue::right`](crate::train::LossValue::right).
    pub right: usize,
    /// The norm of all gradients before clipping.
    pub norm: f64,
    /// The learning rate.
    pub learning_rate: f64,
    /// The scale of the loss.
    pub loss_scale: f64,
    /// The gradients were not finite, so that the parameters stayed as they were. Only a scale of the loss
    /// that adapts skips steps.
    pub is_skipped: bool,
}

/// A function that is told of every update.
type Callback = Box<dyn FnMut(&Report) + Send>;

/// Functions that are told of every update.
#[derive(Default)]
pub(super) struct Callbacks(pub Vec<Callback>);

impl fmt::Debug for Callbacks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} callbacks", self.0.len())
    }
}

impl Trainer {
    /// Tells a function of every update, in order, as its report comes.
    #[must_use]
    pub fn on_report(mut self, callback: impl FnMut(&Report) + Send + 'static) -> Trainer {
        self.callbacks.0.push(Box::new(callback));
        self
    }
}
