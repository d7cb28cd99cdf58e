//! The result, for people and for programs.

use crate::display::{Line, Panel, plot as write};
use crate::ending::Failure;
use crate::segments::Segment;
use crate::sound::RATE;
use plotters::style::BLUE;
use serde::Serialize;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

/// The segments and probabilities of a recording.
pub struct Found {
    pub probabilities: Vec<f32>,
    /// Samples of a chunk, and of the whole recording.
    pub chunk: usize,
    pub samples: usize,
    pub segments: Vec<Segment>,
}

/// A stretch in seconds, and in samples of the network's rate.
#[derive(Serialize)]
struct Stretch {
    start: f64,
    end: f64,
    start_sample: usize,
    end_sample: usize,
}

pub fn seconds(samples: usize) -> f64 {
    samples as f64 / RATE as f64
}

pub fn table(out: &mut dyn Write, found: &Found) -> std::io::Result<()> {
    if found.segments.is_empty() {
        return writeln!(out, "no speech");
    }
    writeln!(out, "{:>9} {:>9} {:>9}", "start", "end", "seconds")?;
    for &Segment { start, end } in &found.segments {
        writeln!(out, "{:>9.3} {:>9.3} {:>9.3}", seconds(start), seconds(end), seconds(end - start))?;
    }
    Ok(())
}

pub fn json(out: &mut dyn Write, found: &Found, engine: &str) -> Result<(), Failure> {
    let stretch = |&Segment { start, end }: &Segment| Stretch {
        start: seconds(start),
        end: seconds(end),
        start_sample: start,
        end_sample: end,
    };
    let all = serde_json::json!({
        "engine": engine,
        "seconds": seconds(found.samples),
        "segments": found.segments.iter().map(stretch).collect::<Vec<_>>(),
        "chunk_seconds": seconds(found.chunk),
        "probabilities": found.probabilities,
    });
    Ok(writeln!(out, "{all}")?)
}

pub fn plot(path: &Path, found: &Found) -> Result<(), Failure> {
    // A probability stands at the middle of its chunk.
    let middle = |(number, &probability): (usize, &f32)| {
        (seconds(number * found.chunk + found.chunk / 2), f64::from(probability))
    };
    let points: Vec<(f64, f64)> = found.probabilities.iter().enumerate().map(middle).collect();
    let spans: Vec<(f64, f64)> =
        found.segments.iter().map(|segment| (seconds(segment.start), seconds(segment.end))).collect();
    let lines = vec![Line { name: String::new(), colour: BLUE, points: &points }];
    write(
        path,
        &[Panel {
            x: "seconds (shaded: speech)",
            y: "probability of speech",
            most: 1.0,
            lines,
            spans: &spans,
        }],
    )
}

/// The speed of a run: the times of its chunks, each of so many samples.
pub fn speed(times: &mut [Duration], chunk: usize) -> String {
    if times.is_empty() {
        return "no sound".into();
    }
    let whole = times.iter().sum::<Duration>().as_secs_f64();
    times.sort();
    let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
    let (budget, heard) = (seconds(chunk) * 1e3, seconds(times.len() * chunk));
    let (median, p99) = (at(0.5), at(0.99));
    let each = format!(
        "a chunk of {budget:.0} ms takes {median:.0} us in the median, {p99:.0} us in the 99th of 100"
    );
    format!("{heard:.1} s in {whole:.3} s, {:.0} times as fast as real time; {each}", heard / whole)
}
