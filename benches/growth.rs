//! Time and memory of a call against T, N, H and L, each varied alone, on the adapter and on the CPU engine.
//!
//!     cargo bench --bench growth
//!
//! Time is the median of the calls of half a second after the first call, in the fastest of three rounds.
//! Bytes on the adapter are those of the plan: all buffers, weights and staging included. Bytes on the CPU
//! are the most that the first call holds at once, on one thread: packed weights, working memory and
//! results. `power` is the exponent since the row before: 1 is linear. `benches/record/growth.md` gives the
//! reasons where it is not 1. Table and plot go to `benches/record/`.

use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;
use std::fmt::Write;
use std::path::Path;
use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Engine, Init, Plan, Rnn, Weights, mxnet};

type Failure = Box<dyn std::error::Error>;

/// An LSTM on I features.
#[derive(Clone, Copy)]
struct Size {
    steps: usize,
    batch: usize,
    hidden: usize,
    layers: usize,
}

/// The size of which one axis at a time is varied.
const BASE: Size = Size { steps: 100, batch: 1, hidden: 128, layers: 1 };

/// I.
const FEATURES: usize = 128;

/// Rounds over everything.
const ROUNDS: usize = 3;

/// The time of the calls of each in a round; one call at least.
const MEASURED: Duration = Duration::from_millis(500);

/// The name of an axis, its values, and the base with such a value.
struct Axis {
    name: &'static str,
    values: &'static [usize],
    size: fn(usize) -> Size,
}

const AXES: [Axis; 4] = [
    Axis {
        name: "T",
        values: &[100, 300, 1_000, 3_000, 10_000, 30_000, 100_000],
        size: |steps| Size { steps, ..BASE },
    },
    Axis {
        name: "N",
        values: &[1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
        size: |batch| Size { batch, ..BASE },
    },
    Axis { name: "H", values: &[16, 32, 64, 128, 256, 512, 1_024], size: |hidden| Size { hidden, ..BASE } },
    Axis { name: "L", values: &[1, 2, 4, 8], size: |layers| Size { layers, ..BASE } },
];

/// A measured point of a line.
#[derive(Clone, Copy)]
struct Point {
    value: f64,
    ms: f64,
    bytes: f64,
}

/// The points of one engine along one axis.
struct Line {
    axis: &'static str,
    engine: &'static str,
    points: Vec<Point>,
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    let start = Instant::now();
    let (gpu, cpu) = (Engine::gpu()?, Engine::cpu());
    let bar =
        ProgressBar::new((2 * ROUNDS * AXES.iter().map(|axis| axis.values.len()).sum::<usize>()) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut lines = Vec::new();
    for Axis { name, .. } in &AXES {
        for by in ["adapter", "cpu"] {
            lines.push(Line { axis: name, engine: by, points: Vec::new() });
        }
    }
    for _ in 0..ROUNDS {
        let along = AXES.iter().flat_map(|axis| [(axis, &gpu), (axis, &cpu)]);
        for ((Axis { values, size, .. }, engine), line) in along.zip(&mut lines) {
            for (index, &value) in values.iter().enumerate() {
                bar.set_message(format!("{} {value}, {}", line.axis, line.engine));
                let point = measure(engine, value, size(value))?;
                match line.points.get_mut(index) {
                    Some(before) => before.ms = before.ms.min(point.ms),
                    None => line.points.push(point),
                }
                bar.inc(1);
            }
        }
    }
    bar.finish_and_clear();
    let Size { steps, batch, hidden, layers } = BASE;
    let base =
        format!("LSTM, T {steps}, N {batch}, I {FEATURES}, H {hidden}, L {layers}, and one of them varied");
    let title = format!("{}; {base}; {:.0} s", gpu.name(), start.elapsed().as_secs_f64());
    let text = format!("{title}\n{}", table(&lines)?);
    print!("{text}");
    let short: String = gpu.name().chars().take_while(|c| c.is_alphanumeric()).collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/record");
    wgpu_rnn::file::replace(folder.join(format!("growth-{short}.txt")), text.as_bytes())?;
    plot(&lines, &folder.join(format!("growth-{short}.svg")))
}

fn measure(engine: &Engine, value: usize, size: Size) -> Result<Point, Failure> {
    let config = Config::lstm(size.hidden).num_layers(size.layers).input_size(FEATURES);
    let weights = Weights::init(&config, &Init::pytorch())?;
    let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (size.steps, size.batch, FEATURES));
    let bytes = match engine.limits() {
        Some(limits) => Plan::new(&config, size.steps, size.batch, &limits)?.buffer_bytes(),
        None => {
            let rnn = Rnn::new(engine, weights.clone());
            // The counter counts those of one thread.
            let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
            let mut answer = None;
            let call = || answer = Some(rnn.forward(&input, None));
            let counted = alone.install(|| allocation_counter::measure(call));
            answer.transpose()?;
            counted.bytes_max
        }
    };
    let rnn = Rnn::new(engine, weights);
    rnn.forward(&input, None)?;
    let (mut times, start) = (Vec::new(), Instant::now());
    while times.is_empty() || start.elapsed() < MEASURED {
        let start = Instant::now();
        rnn.forward(&input, None)?;
        times.push(start.elapsed());
    }
    times.sort();
    let ms = 1e3 * times[times.len() / 2].as_secs_f64();
    Ok(Point { value: value as f64, ms, bytes: bytes as f64 })
}

fn table(lines: &[Line]) -> Result<String, Failure> {
    let mut text = String::new();
    writeln!(
        text,
        "{:<4} {:>6} {:<7} {:>10} {:>6} {:>13} {:>6}",
        "axis", "value", "by", "ms", "power", "bytes", "power"
    )?;
    for Line { axis, engine, points } in lines {
        for (index, point) in points.iter().enumerate() {
            let before = index.checked_sub(1).map(|before| points[before]);
            let power = |of: fn(&Point) -> f64| {
                let power = before.map(|old| (of(point) / of(&old)).ln() / (point.value / old.value).ln());
                power.map_or(String::new(), |power| format!("{power:.2}"))
            };
            let Point { value, ms, bytes } = point;
            let (of_ms, of_bytes) = (power(|point| point.ms), power(|point| point.bytes));
            writeln!(
                text,
                "{axis:<4} {value:>6} {engine:<7} {ms:>10.3} {of_ms:>6} {bytes:>13} {of_bytes:>6}"
            )?;
        }
    }
    Ok(text)
}

/// A name, and the number of a point.
type Quantity = (&'static str, fn(&Point) -> f64);

/// A column for each axis: ms above, bytes below, all axes logarithmic.
fn plot(lines: &[Line], path: &Path) -> Result<(), Failure> {
    let root = SVGBackend::new(path, (1_400, 700)).into_drawing_area();
    root.fill(&WHITE)?;
    let quantities: [Quantity; 2] = [("ms", |point| point.ms), ("bytes", |point| point.bytes)];
    let panels = root.split_evenly((quantities.len(), AXES.len()));
    for (panel, area) in panels.iter().enumerate() {
        let axis = AXES[panel % AXES.len()].name;
        let (quantity, of) = quantities[panel / AXES.len()];
        let shown: Vec<_> = lines.iter().filter(|line| line.axis == axis).collect();
        let all = || shown.iter().flat_map(|line| &line.points);
        let range = |of: fn(&Point) -> f64| {
            let least = all().map(of).fold(f64::INFINITY, f64::min);
            (least / 1.5)..(1.5 * all().map(of).fold(least, f64::max))
        };
        let mut chart = ChartBuilder::on(area)
            .caption(format!("{quantity} against {axis}"), ("sans-serif", 16))
            .margin(10)
            .x_label_area_size(30)
            .y_label_area_size(60)
            .build_cartesian_2d(range(|point| point.value).log_scale(), range(of).log_scale())?;
        let number = |number: &f64| format!("{number:e}");
        let mut mesh = chart.configure_mesh();
        mesh.x_labels(4).y_labels(5).max_light_lines(0);
        mesh.x_label_formatter(&number).y_label_formatter(&number).draw()?;
        for (line, color) in shown.iter().zip([BLUE, RED]) {
            let points: Vec<_> = line.points.iter().map(|point| (point.value, of(point))).collect();
            let drawn = chart.draw_series(LineSeries::new(points, color).point_size(3))?;
            drawn.label(line.engine).legend(move |(x, y)| PathElement::new([(x, y), (x + 15, y)], color));
        }
        chart.configure_series_labels().position(SeriesLabelPosition::UpperLeft).draw()?;
    }
    root.present()?;
    Ok(())
}
