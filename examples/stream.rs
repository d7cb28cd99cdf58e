//! A live signal through a small network, a hop at a time, with a meter of its latency.
//!
//!     cargo run --release --example stream -- --seconds 5
//!     cargo run --release --example stream -- --wav voice.wav --hidden-size 128

#[path = "common/ending.rs"]
mod ending;
#[path = "common/wav.rs"]
mod wav;

use clap::{Parser, ValueEnum};
use ending::Failure;
use ndarray::Array2;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wav::Recording;
use wgpu_rnn::{Config, Engine, Init, Rnn, Streams, Weights};

/// Play a signal through a GRU in real time, 10 ms per call, and show how long each call takes.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// A WAV file, of which the first channel is taken; without one a chirp is made
    #[arg(long, value_name = "FILE")]
    wav: Option<PathBuf>,

    /// How long it plays, in seconds, if the signal is not shorter
    #[arg(long, default_value_t = 5.0, value_parser = seconds)]
    seconds: f64,

    /// Units of the network (H)
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    hidden_size: u32,

    /// Streams that play the same signal at once
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    streams: u32,

    /// The engine
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,

    /// Do not wait for the signal: go as fast as the engine does
    #[arg(long)]
    fast: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Device {
    Auto,
    Gpu,
    Cpu,
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds) if (0.01..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("expected seconds from 0.01 to 86400".into()),
    }
}

/// Features of a hop: the loudness of as many pieces of it.
const FEATURES: usize = 16;

/// Hops a second.
const HOPS: usize = 100;

fn main() -> ExitCode {
    ending::run(|out| play(&Arguments::parse(), out).map(|()| ExitCode::SUCCESS))
}

fn play(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let engine = match arguments.device {
        Device::Auto => Engine::auto(),
        Device::Gpu => Engine::gpu()?,
        Device::Cpu => Engine::cpu(),
    };
    let (signal, rate) = match &arguments.wav {
        Some(path) => read(path)?,
        None => (chirp(arguments.seconds), 16_000),
    };
    let hop = rate / HOPS;
    let hops = (signal.len() / hop).min((arguments.seconds * HOPS as f64) as usize);
    if hops == 0 {
        return Err(format!("the signal has {} samples, expected at least {hop}", signal.len()).into());
    }

    let config = Config::gru(arguments.hidden_size as usize).input_size(FEATURES);
    let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
    let mut streams = Streams::new(rnn, arguments.streams as usize)?;
    let all: Vec<_> = (0..arguments.streams).map(|_| streams.join()).collect::<Result<_, _>>()?;
    writeln!(out, "{} on {}", streams.rnn().config().cell.name(), engine.name())?;
    writeln!(out, "{hops} hops of {hop} samples at {rate} Hz, {} stream(s)", all.len())?;

    // The first call makes the pipelines: before the signal begins.
    let silence = Array2::zeros((1, FEATURES));
    streams.call(&[(all[0], silence.view())])?;
    streams.reset(all[0])?;

    let mut meter = Meter::new(Duration::from_millis(1000 / HOPS as u64));
    let begin = Instant::now();
    for (index, samples) in signal.chunks_exact(hop).take(hops).enumerate() {
        if !arguments.fast {
            // A hop can be computed once it has been heard.
            let heard = begin + meter.budget * index as u32;
            std::thread::sleep(heard.saturating_duration_since(Instant::now()));
        }
        let features = features(samples);
        let called: Vec<_> = all.iter().map(|&stream| (stream, features.view())).collect();
        let start = Instant::now();
        let outputs = streams.call(&called)?;
        meter.note(start.elapsed());
        let level = outputs[0].iter().map(|unit| unit.abs()).sum::<f32>() / outputs[0].len() as f32;
        meter.show(out, index + 1 == hops, level)?;
    }
    Ok(())
}

/// Latencies, and a line that shows them.
struct Meter {
    budget: Duration,
    times: Vec<Duration>,
    is_terminal: bool,
}

impl Meter {
    fn new(budget: Duration) -> Meter {
        Meter { budget, times: Vec::new(), is_terminal: std::io::stdout().is_terminal() }
    }

    fn note(&mut self, time: Duration) {
        self.times.push(time);
    }

    /// Ten times per second in a terminal; elsewhere once per second, and at the end.
    fn show(&self, out: &mut dyn Write, is_last: bool, level: f32) -> std::io::Result<()> {
        let every = if self.is_terminal { HOPS / 10 } else { HOPS };
        if !is_last && !self.times.len().is_multiple_of(every) {
            return Ok(());
        }
        let mut sorted = self.times.clone();
        sorted.sort();
        let at = |part: f64| sorted[((sorted.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e3;
        let (median, p99, worst) = (at(0.5), at(0.99), at(1.0));
        let budget = self.budget.as_secs_f64() * 1e3;
        let part = (p99 / budget).min(1.0);
        let bar = format!("{:<20}", "█".repeat((20.0 * part).ceil() as usize));
        let late = self.times.iter().filter(|&&time| time > self.budget).count();
        let seconds = self.times.len() as f64 / HOPS as f64;
        let latency =
            format!("latency ms: median {median:.2}, p99 {p99:.2}, worst {worst:.2} of {budget:.0}");
        let line = format!("{seconds:>6.1} s  {latency} |{bar}| late {late}, level {level:.3}");
        // Without the end of a line, standard output would wait for one.
        let end = if self.is_terminal && !is_last { "" } else { "\n" };
        write!(out, "\r{line}{end}")?;
        out.flush()
    }
}

/// The loudness of the pieces of a hop.
fn features(samples: &[f32]) -> Array2<f32> {
    let piece = (samples.len() / FEATURES).max(1);
    let loudness = |piece: &[f32]| piece.iter().map(|sample| sample.abs()).sum::<f32>() / piece.len() as f32;
    let mut features = Array2::zeros((1, FEATURES));
    for (feature, piece) in features.iter_mut().zip(samples.chunks(piece)) {
        *feature = loudness(piece);
    }
    features
}

/// A tone that rises from 100 to 2,000 Hz and swells four times per second.
fn chirp(seconds: f64) -> Vec<f32> {
    let rate = 16_000.0;
    let sample = |index: usize| {
        let t = index as f64 / rate;
        let phase = 100.0 * t + 950.0 / seconds * t * t;
        ((std::f64::consts::TAU * phase).sin() * (0.5 - 0.5 * (std::f64::consts::TAU * 4.0 * t).cos())) as f32
    };
    (0..(seconds * rate) as usize).map(sample).collect()
}

/// The first channel of a WAV file, and its rate.
fn read(path: &Path) -> Result<(Vec<f32>, usize), Failure> {
    let recording = Recording::open(path)?;
    let rate = recording.rate;
    if rate < HOPS {
        return Err(
            format!("{}: expected at least {HOPS} samples a second, found {rate}", path.display()).into()
        );
    }
    Ok((recording.moments().map(|channels| channels[0]).collect(), rate))
}
