//! Speaker recognition on real recordings: trains a stacked, bidirectional network with a head on its final
//! states.

mod arguments;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/choices.rs"]
mod choices;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/display.rs"]
mod display;
#[path = "../common/ending.rs"]
mod ending;
mod show;

use arguments::Arguments;
use clap::Parser;
use ending::Failure;
use show::Epoch;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use wgpu_rnn::train::{
    Checkpoint, Clip, Dataset, Head, Loader, Loss, Optimizer, Prefetch, Report, Targets, Trainer, argmax,
};
use wgpu_rnn::{Call, Init, Rnn, Weights};

/// Where the recordings lie.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/japanese_vowels");

/// Steps are padded to multiples of this, so that batches have few shapes.
const STEPS: usize = 8;

/// Batches of like lengths are drawn from so many at a time.
const BUCKETS: usize = 3;

/// Sequences of a batch of the test.
const TEST_BATCH: usize = 64;

/// The exit code that a shell gives for a program that SIGINT has ended.
const INTERRUPTED: u8 = 128 + 2;

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    arguments.check()?;
    let (train, test) = match &arguments.data {
        Some(path) => Dataset::open(path)?.hold_back(arguments.held_back, arguments.seed)?,
        None => {
            let open = |name| Dataset::open(Path::new(RECORDINGS).join(name));
            (open("train.safetensors")?, open("test.safetensors")?)
        }
    };
    let (train, test) = (Arc::new(train.step_multiple(STEPS)), test.step_multiple(STEPS));
    let classes = classes(&train, &test)?;
    let loader = Loader::new(&train.lengths(), arguments.batch).seed(arguments.seed).buckets(BUCKETS);
    let batches = loader.batches()?;
    let mut trainer = trainer(arguments, train.features(), classes)?;
    let engine = trainer.engine().name().to_owned();
    let mut place = Place::default();
    if let Some(path) = arguments.checkpoint.as_ref().filter(|path| arguments.resume && path.exists()) {
        place = resume(path, &mut trainer, &loader)?;
        eprintln!("goes on from {}, after {} batches", path.display(), trainer.steps());
    }
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let told = is_interrupted.clone();
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed))?;

    let progress = show::Progress::new(arguments.epochs, batches as u64, trainer.steps());
    while place.epoch < arguments.epochs {
        let (rows, begun) = (place.sums.rows, Instant::now());
        for batch in Prefetch::new(&train, loader.epoch(place.epoch)?.split_off(place.next)) {
            let batch = batch?;
            let call = Call::new(&batch.input).lengths(&batch.lengths);
            let reports = trainer.step(&call, &Targets::Classes(batch.labels));
            place.sums.add(&reports?);
            place.next += 1;
            progress.batch(trainer.steps());
            let is_interrupted = is_interrupted.load(Ordering::Relaxed);
            let is_due = arguments.checkpoint_every.is_some_and(|every| trainer.steps() % every as u64 == 0);
            if is_interrupted || is_due {
                // A checkpoint has no reports: those that are not there yet belong to this epoch.
                place.sums.add(&trainer.finish()?);
                keep(arguments, &mut trainer, &loader, &mut place)?;
            }
            if is_interrupted {
                trainer.save(&arguments.save)?;
                progress.end();
                eprintln!("interrupted; the weights are in {}", arguments.save.display());
                return Ok(ExitCode::from(INTERRUPTED));
            }
        }
        place.sums.add(&trainer.finish()?);
        let counts = confusion(&mut trainer, &test, classes)?;
        let rows_per_second = (place.sums.rows - rows) as f64 / begun.elapsed().as_secs_f64();
        let sums = std::mem::take(&mut place.sums);
        let of = Epoch {
            loss: sums.loss / sums.rows.max(1) as f64,
            train_accuracy: sums.right as f64 / sums.rows.max(1) as f64,
            test_accuracy: accuracy(&counts),
        };
        place.epochs.push(of);
        (place.epoch, place.next) = (place.epoch + 1, 0);
        progress.epoch(place.epoch, &of, rows_per_second);
        keep(arguments, &mut trainer, &loader, &mut place)?;
    }
    progress.end();
    let counts = confusion(&mut trainer, &test, classes)?;
    trainer.save(&arguments.save)?;
    if let Some(path) = &arguments.plot {
        show::plot(path, &place.epochs)?;
    }
    show::confusion(out, &counts)?;
    writeln!(out, "weights: {}", arguments.save.display())?;
    writeln!(out, "test accuracy {:.3} (seed {}, engine {engine})", accuracy(&counts), arguments.seed)?;
    Ok(ExitCode::SUCCESS)
}

fn trainer(arguments: &Arguments, features: usize, classes: usize) -> Result<Trainer, Failure> {
    let (engine, config) = (arguments.device.engine()?, arguments.config(features));
    let rnn = match &arguments.from {
        Some(path) => {
            let reader = Weights::reader().config(&config).prefix(arguments.from_prefix.clone());
            Rnn::new(&engine, reader.load(path)?)
        }
        None => Rnn::lazy(&engine, &config, Init::pytorch().seed(arguments.seed))?,
    };
    let head = Head::last_states(classes).seed(arguments.seed);
    let optimizer = Optimizer::adamw(arguments.learning_rate);
    let trainer = Trainer::new(rnn, head, Loss::cross_entropy(), optimizer)?.clip(Clip::norm(1.0))?;
    match arguments.dropout() {
        Some(dropout) => Ok(trainer.dropout(dropout)?),
        None => Ok(trainer),
    }
}

/// The sums of an epoch.
#[derive(Default)]
struct Sums {
    loss: f64,
    rows: usize,
    right: usize,
}

impl Sums {
    fn add(&mut self, reports: &[Report]) {
        for report in reports {
            self.loss += report.loss * report.rows as f64;
            self.rows += report.rows;
            self.right += report.right;
        }
    }
}

/// Counts by class and prediction.
fn confusion(trainer: &mut Trainer, test: &Dataset, classes: usize) -> Result<Vec<Vec<usize>>, Failure> {
    let mut counts = vec![vec![0; classes]; classes];
    let all: Vec<usize> = (0..test.len()).collect();
    for indices in all.chunks(TEST_BATCH) {
        let batch = test.batch(indices)?;
        let predictions = trainer.predict(&Call::new(&batch.input).lengths(&batch.lengths))?;
        for (&label, &predicted) in batch.labels.iter().zip(argmax(&predictions).row(0)) {
            counts[label as usize][predicted] += 1;
        }
    }
    Ok(counts)
}

fn accuracy(counts: &[Vec<usize>]) -> f64 {
    let right: usize = counts.iter().enumerate().map(|(class, row)| row[class]).sum();
    right as f64 / counts.iter().flatten().sum::<usize>().max(1) as f64
}

/// The place of a run: epochs that are done, batches of the next one, and what is known of it.
#[derive(Default)]
struct Place {
    epoch: u64,
    next: usize,
    sums: Sums,
    epochs: Vec<Epoch>,
}

/// Writes the checkpoint, if one is asked for.
fn keep(
    arguments: &Arguments,
    trainer: &mut Trainer,
    loader: &Loader,
    place: &mut Place,
) -> Result<(), Failure> {
    let Some(path) = &arguments.checkpoint else { return Ok(()) };
    let Place { epoch, next, sums, epochs, .. } = &*place;
    let curves: Vec<[f64; 3]> =
        epochs.iter().map(|of| [of.loss, of.train_accuracy, of.test_accuracy]).collect();
    let beside = serde_json::json!({
        "loader": loader.state(*epoch, *next),
        "sums": (sums.loss, sums.rows, sums.right),
        "curves": curves,
    });
    Ok(trainer.save_checkpoint(path, beside)?)
}

/// Goes on from a checkpoint. The settings of the loader are checked early: their names are the plainest.
fn resume(path: &Path, trainer: &mut Trainer, loader: &Loader) -> Result<Place, Failure> {
    let checkpoint = Checkpoint::open(path)?;
    let of = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    checkpoint.weights(trainer.weights()?.0.config()).map_err(|error| of(&error))?;
    let (epoch, next) = loader.restore(&checkpoint.state["beside"]["loader"]).map_err(|error| of(&error))?;
    let beside = trainer.restore(&checkpoint).map_err(|error| of(&error))?;
    let (loss, rows, right) = serde_json::from_value(beside["sums"].clone()).map_err(|error| of(&error))?;
    let curves: Vec<[f64; 3]> =
        serde_json::from_value(beside["curves"].clone()).map_err(|error| of(&error))?;
    let of = |[loss, train_accuracy, test_accuracy]: [f64; 3]| Epoch { loss, train_accuracy, test_accuracy };
    let epochs = curves.into_iter().map(of).collect();
    Ok(Place { epoch, next, sums: Sums { loss, rows, right }, epochs })
}

/// The number of classes, and of the confusion matrix's rows and columns.
fn classes(train: &Dataset, test: &Dataset) -> Result<usize, Failure> {
    let (classes, sequences) = (train.classes().max(test.classes()), train.len() + test.len());
    if classes > sequences {
        let last = sequences - 1;
        return Err(
            format!("label: expected 0 to {last} for {sequences} sequences, found {}", classes - 1).into()
        );
    }
    Ok(classes)
}
