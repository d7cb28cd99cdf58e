//! What a person, and a program, is shown.

use crate::peer::Failure;
use comfy_table::{Cell, Color, Table, presets};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// What one implementation made of one configuration.
pub struct Row {
    pub configuration: &'static str,
    pub peer: String,
    /// Sorted; empty if it could not run.
    pub milliseconds: Vec<f64>,
    /// The first call, with all that is made for it.
    pub first: f64,
    /// The largest distance from the reference in f64.
    pub error: f64,
    /// Their median over ours; none for ours, and for one that is wrong.
    pub ratio: Option<f64>,
    pub failure: Option<String>,
}

/// How far off a result may be to count: the rounding of its numbers over a hundred steps, and room. TF32 and
/// f16 have ten bits.
fn tolerance(peer: &str) -> f64 {
    if peer.ends_with("f32") && !peer.ends_with("tf32") || !peer.starts_with("cudnn") { 1e-4 } else { 5e-2 }
}

impl Row {
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    fn quantile(&self, q: f64) -> f64 {
        let last = self.milliseconds.len().saturating_sub(1);
        self.milliseconds.get((q * last as f64).round() as usize).copied().unwrap_or(f64::NAN)
    }

    pub fn is_right(&self) -> bool {
        self.error <= tolerance(&self.peer)
    }
}

pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(["configuration", "by", "median ms", "p95 ms", "first ms", "error", "theirs / ours"]);
    for row in rows {
        let number = |x: f64| if x.is_nan() { "-".to_owned() } else { format!("{x:.2}") };
        let (ratio, color) = match (&row.failure, row.ratio) {
            (Some(failure), _) => (failure.chars().take(60).collect(), Color::Red),
            (None, _) if !row.is_right() => ("wrong".to_owned(), Color::Red),
            (None, Some(ratio)) => {
                (format!("{ratio:.2}"), if ratio >= 1.0 { Color::Green } else { Color::Yellow })
            }
            (None, None) => (String::new(), Color::Reset),
        };
        let cells = [
            row.configuration.to_owned(),
            row.peer.clone(),
            number(row.median()),
            number(row.quantile(0.95)),
            number(row.first),
            format!("{:.1e}", row.error),
        ];
        let mut cells: Vec<Cell> = cells.into_iter().map(Cell::new).collect();
        cells.push(Cell::new(ratio).fg(color));
        table.add_row(cells);
    }
    table.to_string()
}

/// Peer, configuration, and their median over ours.
pub fn ratios(rows: &[Row]) -> BTreeMap<&str, BTreeMap<&str, f64>> {
    let mut ratios: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for row in rows {
        if let Some(ratio) = row.ratio {
            ratios.entry(&row.peer).or_default().insert(row.configuration, ratio);
        }
    }
    ratios
}

pub fn geometric_mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number.ln(), count + 1));
    (sum / f64::from(count)).exp()
}

/// Medians as bars on a logarithmic scale, a group a configuration.
pub fn plot(rows: &[Row], title: &str, path: &Path) -> Result<(), Failure> {
    let shown: Vec<&Row> = rows.iter().filter(|row| !row.milliseconds.is_empty() && row.is_right()).collect();
    let most = shown.iter().map(|row| row.median()).fold(1.0, f64::max) * 2.0;
    let least = shown.iter().map(|row| row.median()).fold(f64::INFINITY, f64::min) / 2.0;
    let height = 90 + 22 * shown.len() as u32;
    let root = SVGBackend::new(path, (1000, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(300)
        .build_cartesian_2d((least..most).log_scale(), (0..shown.len()).into_segmented())?;
    // A bar lies between two numbers, its name in the middle.
    let label = |at: &SegmentValue<usize>| match at {
        SegmentValue::CenterOf(index) => {
            let row = shown.get(shown.len().wrapping_sub(index + 1));
            row.map_or(String::new(), |row| format!("{}, {}", row.configuration, row.peer))
        }
        _ => String::new(),
    };
    chart
        .configure_mesh()
        .disable_y_mesh()
        .y_labels(shown.len() + 1)
        .y_label_formatter(&label)
        .x_desc("median, ms (logarithmic)")
        .draw()?;
    chart.draw_series(shown.iter().enumerate().map(|(index, row)| {
        let color = if row.ratio.is_none() { RGBColor(31, 119, 180) } else { RGBColor(160, 160, 160) };
        let y = shown.len() - 1 - index;
        let mut bar = Rectangle::new(
            [(least, SegmentValue::Exact(y)), (row.median(), SegmentValue::Exact(y + 1))],
            ShapeStyle::from(color).filled(),
        );
        bar.set_margin(2, 2, 0, 0);
        bar
    }))?;
    root.present()?;
    Ok(())
}
