//! Speaker recognition on real recordings: trains a stacked, bidirectional network with a head on its final
//! states.

mod arguments;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/choices.rs"]
mod choices;
#[path = "../common/classify.rs"]
mod classify;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/display.rs"]
mod display;
#[path = "../common/ending.rs"]
mod ending;
#[path = "../common/progress.rs"]
mod progress;
#[path = "../common/settings.rs"]
mod settings;
mod show;

use arguments::Arguments;
use clap::Parser;
use classify::{Data, Run, accuracy};
use ending::Failure;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use wgpu_rnn::{Init, Rnn, Weights};

/// The folder of the recordings.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/japanese_vowels");

/// The exit code that a shell gives for a program that SIGINT has ended.
const INTERRUPTED: u8 = 128 + 2;

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let settings = &arguments.settings;
    let images = arguments.plot.as_deref().map(display::images);
    let image = |index: usize| ("--plot", images.as_ref().map(|images| images[index].as_path()));
    settings.check(&[image(0), image(1)], &[("--from", arguments.from.as_deref())])?;
    let data = Data::open(settings, Path::new(RECORDINGS))?;
    let (engine, config) = (arguments.device.engine()?, settings.config(data.features()));
    let rnn = match &arguments.from {
        Some(path) => {
            let reader = Weights::reader().config(&config).prefix(arguments.from_prefix.clone());
            Rnn::new(&engine, reader.load(path)?)
        }
        None => Rnn::lazy(&engine, &config, Init::pytorch().seed(settings.seed))?,
    };
    let mut run = Run::new(settings, data, rnn, [0, 1])?;
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let told = is_interrupted.clone();
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed))?;
    let is_done = run.learn(|| is_interrupted.load(Ordering::Relaxed))?;
    if !is_done {
        run.trainer.save(&settings.save)?;
        let _ = writeln!(std::io::stderr(), "interrupted; the weights are in {}", settings.save.display());
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let counts = run.confusion()?;
    run.trainer.save(&settings.save)?;
    if let Some(path) = &arguments.plot {
        show::plot(path, run.epochs())?;
    }
    show::confusion(out, &counts)?;
    writeln!(out, "weights: {}", settings.save.display())?;
    let (accuracy, engine) = (accuracy(&counts), run.trainer.engine().name());
    writeln!(out, "test accuracy {accuracy:.3} (seed {}, engine {engine})", settings.seed)?;
    Ok(ExitCode::SUCCESS)
}
