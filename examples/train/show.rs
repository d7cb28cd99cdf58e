//! The parts of a result that a person sees: a confusion matrix, curves.

use crate::classify::Epoch;
use crate::display::{GREEN_TEXT, Line, Panel, RED_TEXT, has_colours, paint, plot as write};
use plotters::style::{BLUE, RED, RGBColor};
use std::error::Error;
use std::io::Write;
use std::path::Path;

/// The colour of counts of 0.
const FAINT_TEXT: &str = "2";

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
    let loss = Panel { x: "epoch", y: "loss", most, lines, spans: &[] };
    let lines = vec![line("training", BLUE, &train), line("test", RED, &test)];
    write(path, &[loss, Panel { x: "epoch", y: "accuracy", most: 1.0, lines, spans: &[] }])
}
