//! The progress of a run that learns to tell sequences apart.

use crate::classify::Epoch;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::Write;

/// The progress on standard error: a bar in a terminal, a line for each epoch elsewhere.
pub struct Progress {
    bar: ProgressBar,
    epochs: u64,
    batches: u64,
}

impl Progress {
    /// The progress of a run of so many epochs, each of so many batches, of which some are done.
    pub fn new(epochs: u64, batches: u64, done: u64) -> Progress {
        let style = ProgressStyle::with_template("{prefix} {bar:30} {elapsed} (left: {eta})  {msg}");
        let bar = ProgressBar::new(epochs.saturating_mul(batches)).with_position(done);
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.reset_eta();
        let progress = Progress { bar, epochs, batches };
        progress.batch(done);
        progress
    }

    /// Shows the batches that are done.
    pub fn batch(&self, done: u64) {
        let epoch = (done / self.batches + 1).min(self.epochs);
        self.bar.set_prefix(format!("epoch {epoch:>3} of {}", self.epochs));
        self.bar.set_position(done);
    }

    /// Shows an epoch that is done.
    pub fn epoch(&self, number: u64, of: &Epoch, rows_per_second: f64) {
        let Epoch { loss, train_accuracy, test_accuracy } = of;
        let accuracies = format!("accuracy {train_accuracy:.3} (test {test_accuracy:.3})");
        let text = format!("loss {loss:.3}, {accuracies}, {rows_per_second:.0} rows/s");
        if self.bar.is_hidden() {
            // A run does not end because nobody can see it.
            let _ = writeln!(std::io::stderr(), "epoch {number:>3} of {}  {text}", self.epochs);
        }
        self.bar.set_message(text);
    }

    /// Leaves the bar as it is, and begins a new line below it.
    pub fn end(&self) {
        self.bar.abandon();
        if !self.bar.is_hidden() {
            let _ = writeln!(std::io::stderr());
        }
    }
}
