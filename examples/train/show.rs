//! The parts of a run that a person sees: the progress, a confusion matrix, curves.

use crate::display::{GREEN_TEXT, Line, Panel, RED_TEXT, has_colours, paint, plot as write};
use indicatif::{ProgressBar, ProgressStyle};
use plotters::style::{BLUE, RED, RGBColor};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// The colour of counts of 0.
const FAINT_TEXT: &str = "2";

/// The numbers of an epoch.
#[derive(Clone, Copy)]
pub struct Epoch {
    pub loss: f64,
    pub train_accuracy: f64,
    pub test_accuracy: f64,
}

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
        let bar = ProgressBar::new(epochs * batches).with_position(done);
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
            eprintln!("epoch {number:>3} of {}  {text}", self.epochs);
        }
        self.bar.set_message(text);
    }

    /// Leaves the bar as it is, and begins a new line below it.
    pub fn end(&self) {
        self.bar.abandon();
        if !self.bar.is_hidden() {
            eprintln!();
        }
    }
}

/// Rows are the classes of the sequences, columns those that the network takes them for.
pub fn confusion(out: &mut dyn Write, counts: &[Vec<usize>]) -> std::io::Result<()> {
    let has_colours = has_colours();
    writeln!(out, "confusion (rows: class, columns: prediction)")?;
    write!(out, "     ")?;
    for class in 0..counts.len() {
        write!(out, "{class:>5}")?;
    }
    writeln!(out)?;
    for (class, row) in counts.iter().enumerate() {
        write!(out, "{class:>5}")?;
        for (predicted, &count) in row.iter().enumerate() {
            let colour = match (predicted == class, count) {
                (_, 0) => FAINT_TEXT,
                (true, _) => GREEN_TEXT,
                (false, _) => RED_TEXT,
            };
            write!(out, "{}", paint(has_colours, colour, format_args!("{count:>5}")))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the curves beside each other, as PNG and SVG. The path may end with one of both.
pub fn plot(path: &Path, epochs: &[Epoch]) -> Result<(), Box<dyn Error>> {
    let points = |of: fn(&Epoch) -> f64| -> Vec<(f64, f64)> {
        (1..).zip(epochs).map(|(number, epoch)| (f64::from(number), of(epoch))).collect()
    };
    let losses = points(|epoch| epoch.loss);
    let [train, test] = [points(|epoch| epoch.train_accuracy), points(|epoch| epoch.test_accuracy)];
    let most = epochs.iter().map(|epoch| epoch.loss).fold(1e-9, f64::max);
    fn line<'a>(name: &str, colour: RGBColor, points: &'a [(f64, f64)]) -> Line<'a> {
        Line { name: name.into(), colour, points }
    }
    let lines = vec![line("training", BLUE, &losses)];
    let loss = Panel { x: "epoch", y: "loss", most, lines };
    let lines = vec![line("training", BLUE, &train), line("test", RED, &test)];
    write(path, &[loss, Panel { x: "epoch", y: "accuracy", most: 1.0, lines }])
}
