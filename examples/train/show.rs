//! The parts of a run that a person sees: a progress bar, a confusion matrix, curves.

use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::io::{IsTerminal, Write};
use std::path::Path;

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
    let has_colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
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
                (_, 0) => "2",
                (true, _) => "32",
                (false, _) => "31",
            };
            match has_colours {
                true => write!(out, "\x1b[{colour}m{count:>5}\x1b[0m")?,
                false => write!(out, "{count:>5}")?,
            }
        }
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the curves beside each other, as PNG and SVG. The path may end with one of both.
pub fn plot(path: &Path, epochs: &[Epoch]) -> Result<(), Box<dyn Error>> {
    let font = epaint_default_fonts::UBUNTU_LIGHT;
    register_font("sans-serif", FontStyle::Normal, font).map_err(|_| "the font of the plot is broken")?;
    let is_own = path.extension().is_some_and(|ending| ending == "png" || ending == "svg");
    let stem = if is_own { path.with_extension("") } else { path.to_owned() };
    let [png, svg] = ["png", "svg"].map(|ending| format!("{}.{ending}", stem.display()));
    draw(&BitMapBackend::new(&png, (960, 420)).into_drawing_area(), epochs)?;
    draw(&SVGBackend::new(&svg, (960, 420)).into_drawing_area(), epochs)
}

fn draw<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    epochs: &[Epoch],
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    let halves = area.split_evenly((1, 2));
    let most = epochs.iter().map(|epoch| epoch.loss).fold(1e-9, f64::max);
    curve(&halves[0], "loss", most, epochs, &[("training", BLUE, |epoch| epoch.loss)])?;
    let accuracies: [Line; 2] =
        [("training", BLUE, |epoch| epoch.train_accuracy), ("test", RED, |epoch| epoch.test_accuracy)];
    curve(&halves[1], "accuracy", 1.0, epochs, &accuracies)?;
    area.present()?;
    Ok(())
}

type Line = (&'static str, RGBColor, fn(&Epoch) -> f64);

fn curve<B: DrawingBackend>(
    area: &DrawingArea<B, plotters::coord::Shift>,
    title: &str,
    most: f64,
    epochs: &[Epoch],
    lines: &[Line],
) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0..epochs.len().max(1) as u32, 0.0..most * 1.02)?;
    chart.configure_mesh().x_desc("epoch").y_desc(title).max_light_lines(2).draw()?;
    for &(name, colour, of) in lines {
        let points = (1..).zip(epochs).map(|(number, epoch)| (number, of(epoch)));
        let line = chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
        line.label(name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    // The legend lies where no curve should end.
    let falls = lines.len() == 1;
    let position = if falls { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
    let labels = &mut chart.configure_series_labels();
    labels.position(position).background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    Ok(())
}
