//! Speech in a recording, by the network of Silero: its convolutions with ndarray, its LSTM on any engine,
//! chunk by chunk as from a microphone.
//!
//!     python3 examples/fetch.py vad
//!     cargo run --release --example vad -- models/test.wav --model models/silero_vad.jit

mod arguments;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/choices.rs"]
mod choices;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/display.rs"]
mod display;
#[path = "../common/ending.rs"]
mod ending;
mod model;
mod segments;
#[path = "../common/shaped.rs"]
mod shaped;
mod show;
mod sound;
#[path = "../common/wav.rs"]
mod wav;

use arguments::Arguments;
use clap::Parser;
use ending::Failure;
use model::Vad;
use segments::Rules;
use show::Found;
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out).map(|()| ExitCode::SUCCESS))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let sound = sound::read(&arguments.wav)?;
    let engine = arguments.device.engine()?;
    let mut vad = Vad::open(&arguments.model, &engine)?;
    vad.warm_up()?;
    let (chunk, samples) = (vad.chunk(), sound.len());
    let bar = display::bar("chunk", samples.div_ceil(chunk) as u64, 0);
    let (mut probabilities, mut times) = (Vec::new(), Vec::new());
    for part in sound.chunks(chunk) {
        // The last chunk ends in silence.
        let mut heard = part.to_vec();
        heard.resize(chunk, 0.0);
        let begun = Instant::now();
        probabilities.push(vad.hear(&heard)?);
        times.push(begun.elapsed());
        bar.inc(1);
    }
    bar.finish_and_clear();
    let segments = segments::segments(&probabilities, chunk, samples, &rules(arguments, chunk));
    let found = Found { probabilities, chunk, samples, segments };
    match arguments.json {
        true => show::json(out, &found, engine.name())?,
        false => show::table(out, &found)?,
    }
    if let Some(path) = &arguments.plot {
        show::plot(path, &found)?;
    }
    // A run does not fail because nobody can see its speed.
    let _ = writeln!(std::io::stderr(), "{}: {}", engine.name(), show::speed(&mut times, chunk));
    Ok(())
}

/// The durations in samples.
fn rules(arguments: &Arguments, chunk: usize) -> Rules {
    let samples = |seconds: f64| sound::RATE as f64 * seconds;
    let of_ms = |ms: f64| sound::RATE as f64 * ms / 1000.0;
    let pad = of_ms(arguments.speech_pad_ms);
    Rules {
        threshold: arguments.threshold,
        neg_threshold: arguments.neg_threshold.unwrap_or((arguments.threshold - 0.15).max(0.01)),
        min_speech: of_ms(arguments.min_speech_duration_ms),
        max_speech: samples(arguments.max_speech_duration_s) - chunk as f64 - 2.0 * pad,
        min_silence: of_ms(arguments.min_silence_duration_ms),
        min_silence_at_max_speech: of_ms(arguments.min_silence_at_max_speech),
        pad,
    }
}
