//! The settings of a trainer beside its optimiser.

use super::{On, Trainer};
use crate::train::{Clip, LossScale, Schedule};
use crate::{Dropout, Error, Result, Save};

/// # Settings
impl Trainer {
    /// Clips gradients.
    ///
    /// # Errors
    /// [`Error::Setting`] for a maximum that is not above 0.
    pub fn clip(mut self, clip: Clip) -> Result<Trainer> {
        clip.check()?;
        self.settings.clip = clip;
        Ok(self)
    }

    /// Changes the learning rate from step to step. A schedule that observes a metric begins anew.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that no schedule can have.
    pub fn schedule(mut self, schedule: Schedule) -> Result<Trainer> {
        schedule.check(self.optimizer.learning_rate())?;
        (self.settings.schedule, self.progress.schedule) = (schedule, Default::default());
        Ok(self)
    }

    /// Updates the parameters once for so many batches, by the gradient of the mean over all their rows: as
    /// by one batch of all of them. Class weights weigh rows, as in the mean of one batch.
    ///
    /// # Errors
    /// [`Error::Setting`] for 0.
    pub fn accumulate(mut self, batches: usize) -> Result<Trainer> {
        if batches == 0 {
            let (expected, found) = ("at least 1".into(), "0".into());
            return Err(Error::Setting { name: "accumulate", expected, found });
        }
        self.settings.accumulate = batches;
        Ok(self)
    }

    /// Drops numbers between layers while it trains; the trainer counts the calls.
    ///
    /// # Errors
    /// [`Error::Argument`] for a probability that is none, or a network of one layer.
    pub fn dropout(mut self, dropout: Dropout) -> Result<Trainer> {
        dropout.check(self.rnn.network())?;
        self.settings.dropout = Some(dropout);
        Ok(self)
    }

    /// Scales the loss, for a network that is stored as f16, from the first scale on. With a scale that
    /// adapts, every step waits for the device.
    ///
    /// # Errors
    /// [`Error::Setting`] for settings that no scale can have.
    pub fn loss_scale(mut self, loss_scale: LossScale) -> Result<Trainer> {
        loss_scale.check()?;
        (self.settings.loss_scale, self.progress.loss_scale) = (loss_scale, None);
        Ok(self)
    }

    /// Begins every batch from the final states of the batch before, whose sequences go on: truncated
    /// backpropagation through time. No gradient goes from a batch to the one before. All batches have the
    /// same N until [`reset_states`](Trainer::reset_states). The next batch begins from zero, or from the
    /// learned state.
    #[must_use]
    pub fn carry_states(mut self) -> Trainer {
        self.settings.carries = true;
        self
    }

    /// Begins the next batch from zero, or from the learned state.
    pub fn reset_states(&mut self) {
        match &mut self.on {
            On::Host(training) => training.carried = None,
            On::Device(training) => training.reset_states(),
        }
    }

    /// Sets what a call keeps for its backward pass, from the next batch on.
    #[must_use]
    pub fn saving(mut self, save: Save) -> Trainer {
        self.settings.save = save;
        self
    }
}
