//! The parts of a training that a person sees: a progress bar, colours, curves.

use indicatif::{ProgressBar, ProgressStyle};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;
use std::error::Error;
use std::fmt;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

/// A bar on standard error that counts epochs or updates.
pub fn bar(unit: &str, len: u64, done: u64) -> ProgressBar {
    let template = format!("{unit} {{pos:>3}} of {{len}} {{bar:30}} {{elapsed}} (left: {{eta}})  {{msg}}");
    let style = ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(len).with_style(style);
    bar.set_position(done);
    bar
}

/// A person reads standard output, and wants colours.
pub fn has_colours() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

pub const GREEN_TEXT: &str = "32";
pub const RED_TEXT: &str = "31";

/// A text in a colour of the terminal.
pub fn paint(has_colours: bool, colour: &str, text: impl fmt::Display) -> String {
    if has_colours { format!("\x1b[{colour}m{text}\x1b[0m") } else { text.to_string() }
}

/// Points from which on a line is thin.
const MANY: usize = 400;

/// The colour of shaded parts.
const SHADE: RGBColor = RGBColor(205, 232, 205);

/// Curves over the same x.
pub struct Panel<'a> {
    pub x: &'a str,
    pub y: &'a str,
    /// The largest y.
    pub most: f64,
    pub lines: Vec<Line<'a>>,
    /// Parts of x that are shaded.
    pub spans: &'a [(f64, f64)],
}

pub struct Line<'a> {
    /// The name in the legend; a panel without names has none.
    pub name: String,
    pub colour: RGBColor,
    pub points: &'a [(f64, f64)],
}

/// The two images of a plot, by their endings.
pub fn images(path: &Path) -> [PathBuf; 2] {
    let is_own = path.extension().is_some_and(|ending| ending == "png" || ending == "svg");
    let stem = if is_own { path.with_extension("") } else { path.to_owned() };
    ["png", "svg"].map(|ending| PathBuf::from(format!("{}.{ending}", stem.display())))
}

/// Writes panels beside each other, as PNG and SVG. The path may end with one of both.
pub fn plot(path: &Path, panels: &[Panel<'_>]) -> Result<(), Box<dyn Error>> {
    let font = epaint_default_fonts::UBUNTU_LIGHT;
    register_font("sans-serif", FontStyle::Normal, font).map_err(|_| "the font of the plot is broken")?;
    let size = if panels.len() == 1 { (640, 420) } else { (960, 420) };
    let [png, svg] = images(path);
    let within =
        |path: &Path, error: Box<dyn Error>| format!("{}: cannot be written: {error}", path.display());
    draw(&BitMapBackend::new(&png, size).into_drawing_area(), panels).map_err(|error| within(&png, error))?;
    draw(&SVGBackend::new(&svg, size).into_drawing_area(), panels).map_err(|error| within(&svg, error))?;
    Ok(())
}

fn draw<B: DrawingBackend>(area: &DrawingArea<B, Shift>, panels: &[Panel<'_>]) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    area.fill(&WHITE)?;
    for (part, panel) in area.split_evenly((1, panels.len().max(1))).iter().zip(panels) {
        curves(part, panel)?;
    }
    area.present()?;
    Ok(())
}

fn curves<B: DrawingBackend>(area: &DrawingArea<B, Shift>, panel: &Panel<'_>) -> Result<(), Box<dyn Error>>
where
    B::ErrorType: 'static,
{
    let points = panel.lines.iter().flat_map(|line| line.points);
    let last = points.map(|point| point.0).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(48)
        .build_cartesian_2d(0.0..last, 0.0..panel.most * 1.02)?;
    // Whole numbers as such, and parts of a short axis without the last digits of a float.
    let short = |x: &f64| format!("{}", (x * 100.0).round() / 100.0);
    let shade = |&(from, to): &(f64, f64)| Rectangle::new([(from, 0.0), (to, panel.most)], SHADE.filled());
    chart.draw_series(panel.spans.iter().map(shade))?;
    chart
        .configure_mesh()
        .x_desc(panel.x)
        .y_desc(panel.y)
        .x_label_formatter(&short)
        .max_light_lines(2)
        .draw()?;
    for line in &panel.lines {
        let colour = line.colour;
        // A wide line hides what is near.
        let width = if line.points.len() > MANY { 1 } else { 2 };
        let drawn =
            chart.draw_series(LineSeries::new(line.points.iter().copied(), colour.stroke_width(width)))?;
        drawn.label(&line.name).legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    if panel.lines.iter().all(|line| line.name.is_empty()) {
        return Ok(());
    }
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    Ok(())
}
