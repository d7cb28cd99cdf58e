//! What a person, and a program, is shown.

use crate::peer::Failure;
use comfy_table::{Cell, Color, Table, presets};
use plotters::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

/// The times of one implementation in one configuration.
pub struct Row {
    pub configuration: &'static str,
    pub peer: &'static str,
    /// Ours, by which it is measured.
    pub by: &'static str,
    /// 0 where they are not chosen.
    pub threads: usize,
    /// The median of each turn, sorted; empty if it could not run. Of a streamed configuration, per step.
    pub milliseconds: Vec<f64>,
    /// The first call, with all that is made for it.
    pub first: f64,
    /// The largest distance from the reference in f64.
    pub error: f64,
    /// The largest share of busy time of the machine before a round.
    pub busy: Option<f64>,
    /// Their median over ours; none for ours, and for one that failed or is wrong.
    pub ratio: Option<f64>,
    pub failure: Option<String>,
}

/// How far off a result may be to count: the rounding of its numbers over a hundred steps, and room. TF32 and
/// f16 have ten bits.
fn tolerance(peer: &str) -> f64 {
    if peer.ends_with("f32") && !peer.ends_with("tf32") || !peer.starts_with("cudnn") { 1e-4 } else { 5e-2 }
}

impl Row {
    pub fn new(configuration: &'static str, peer: &'static str, by: &'static str, threads: usize) -> Row {
        let (milliseconds, first, error) = (Vec::new(), f64::NAN, 0.0);
        let (busy, ratio, failure) = (None, None, None);
        Row { configuration, peer, by, threads, milliseconds, first, error, busy, ratio, failure }
    }

    pub fn is_ours(&self) -> bool {
        self.peer == self.by
    }

    pub fn median(&self) -> f64 {
        self.milliseconds.get(self.milliseconds.len() / 2).copied().unwrap_or(f64::NAN)
    }

    pub fn is_right(&self) -> bool {
        self.error <= tolerance(self.peer)
    }
}

/// A time with its unit.
fn time(ms: f64) -> String {
    match ms {
        ms if ms.is_nan() => "-".to_owned(),
        ms if ms < 0.1 => format!("{:.2} us", 1e3 * ms),
        ms => format!("{ms:.2} ms"),
    }
}

pub fn table(rows: &[Row]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    let names = ["configuration", "by", "threads", "median", "slowest", "first", "error", "busy", "ratio"];
    table.set_header(names);
    for row in rows {
        let (ratio, color) = match (&row.failure, row.ratio) {
            (Some(failure), _) => (failure.chars().take(FAILURE).collect(), Color::Red),
            (None, Some(ratio)) => {
                (format!("{ratio:.2}"), if ratio >= 1.0 { Color::Green } else { Color::Yellow })
            }
            (None, None) => (String::new(), Color::Reset),
        };
        let cells = [
            row.configuration.to_owned(),
            row.peer.to_owned(),
            if row.threads == 0 { String::new() } else { row.threads.to_string() },
            time(row.median()),
            time(row.milliseconds.last().copied().unwrap_or(f64::NAN)),
            time(row.first),
            if row.error > 0.0 { format!("{:.1e}", row.error) } else { "-".to_owned() },
            row.busy.map_or("-".to_owned(), |busy| format!("{:.0}%", 100.0 * busy)),
        ];
        let mut cells: Vec<Cell> = cells.into_iter().map(Cell::new).collect();
        cells.push(Cell::new(ratio).fg(color));
        table.add_row(cells);
    }
    table.to_string()
}

/// Letters of a failure, at most.
const FAILURE: usize = 110;

/// The text without colours and without blanks at the ends of lines.
pub fn plain(colored: &str) -> String {
    let mut text = String::new();
    let mut parts = colored.split('\x1b');
    text.push_str(parts.next().unwrap_or_default());
    // After an escape, all up to the letter that ends it is not text.
    parts.for_each(|part| text.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

/// The geometric mean and the worst of each peer's ratios.
pub fn summary(rows: &[Row]) -> String {
    let line = |(peer, by_configuration): (&str, BTreeMap<&str, f64>)| {
        let worst = by_configuration.values().copied().fold(f64::INFINITY, f64::min);
        let mean = geometric_mean(by_configuration.values().copied());
        format!("{peer}: geometric mean {mean:.2}, worst {worst:.2}, of {}\n", by_configuration.len())
    };
    ratios(rows).into_iter().map(line).collect()
}

/// Peer, configuration, and their median over ours.
pub fn ratios<'a>(rows: impl IntoIterator<Item = &'a Row>) -> BTreeMap<&'a str, BTreeMap<&'a str, f64>> {
    let mut ratios: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for row in rows {
        if let Some(ratio) = row.ratio {
            ratios.entry(row.peer).or_default().insert(row.configuration, ratio);
        }
    }
    ratios
}

fn geometric_mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number.ln(), count + 1));
    (sum / f64::from(count)).exp()
}

/// Medians as bars on a logarithmic scale, a group a configuration.
pub fn plot(rows: &[Row], title: &str, path: &Path) -> Result<(), Failure> {
    let shown: Vec<&Row> =
        rows.iter().filter(|row| row.failure.is_none() && !row.milliseconds.is_empty()).collect();
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
