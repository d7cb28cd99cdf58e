//! Speaker recognition on real recordings: trains a stacked, bidirectional network with a head on its final states.

mod arguments;
#[path = "../common/choices.rs"]
mod choices;
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
use wgpu_rnn::{Call, Dropout, Init, Rnn, Weights};

/// Where the recordings lie.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/japanese_vowels");

/// Steps are padded to multiples of this, so that batches have few shapes.
const STEPS: usize = 8;

/// Batches of like lengths are drawn from so many at a time.
const BUCKETS: usize = 3;

/// Sequences of a batch of the test.
const TEST_BATCH: usize = 64;

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let (train, test) = match &arguments.data {
        Some(path) => Dataset::open(path)?.hold_back(arguments.held_back, arguments.seed)?,
        None => {
            let open = |name| Dataset::open(Path::new(RECORDINGS).join(name));
            (open("train.safetensors")?, open("test.safetensors")?)
        }
    };
    let (train, test) = (Arc::new(train.step_multiple(STEPS)), test.step_multiple(STEPS));
    let classes = train.classes().max(test.classes());
    let loader = Loader::new(&train.lengths(), arguments.batch).seed(arguments.seed).buckets(BUCKETS);
    let mut trainer = trainer(arguments, train.features(), classes)?;
    let engine = trainer.engine().name().to_owned();
    let (mut epoch, mut next, mut epochs) = (0, 0, Vec::new());
    if let Some(path) = arguments.checkpoint.as_ref().filter(|path| arguments.resume && path.exists()) {
        let beside = trainer.restore(&Checkpoint::open(path)?)?;
        (epoch, next) = loader.restore(&beside["loader"])?;
        epochs = curves(&beside["curves"]);
    }
    let is_interrupted = Arc::new(AtomicBool::new(false));
    let told = is_interrupted.clone();
    ctrlc::set_handler(move || told.store(true, Ordering::Relaxed))?;

    let bar = display::bar("epoch", arguments.epochs, epoch);
    while epoch < arguments.epochs {
        let (mut sums, begun) = (Sums::default(), Instant::now());
        for batch in Prefetch::new(&train, loader.epoch(epoch)?.split_off(next)) {
            let batch = batch?;
            let call = Call::new(&batch.input).lengths(&batch.lengths);
            sums.add(&trainer.step(&call, &Targets::Classes(batch.labels))?);
            next += 1;
            if is_interrupted.load(Ordering::Relaxed) {
                sums.add(&trainer.finish()?);
                keep(arguments, &mut trainer, &loader, (epoch, next), &epochs)?;
                bar.abandon_with_message(format!("interrupted; weights are in {}", arguments.save.display()));
                return Ok(ExitCode::from(130));
            }
        }
        sums.add(&trainer.finish()?);
        let counts = confusion(&mut trainer, &test, classes)?;
        let rows_per_second = sums.rows as f64 / begun.elapsed().as_secs_f64();
        let of = Epoch {
            loss: sums.loss / sums.rows.max(1) as f64,
            train_accuracy: sums.right as f64 / sums.rows.max(1) as f64,
            test_accuracy: accuracy(&counts),
        };
        bar.set_message(format!(
            "loss {:.3}, accuracy {:.3} (test {:.3}), {rows_per_second:.0} rows/s",
            of.loss, of.train_accuracy, of.test_accuracy
        ));
        epochs.push(of);
        (epoch, next) = (epoch + 1, 0);
        bar.set_position(epoch);
        if arguments.checkpoint.is_some() {
            keep(arguments, &mut trainer, &loader, (epoch, next), &epochs)?;
        }
    }
    bar.finish();
    let counts = confusion(&mut trainer, &test, classes)?;
    save(&mut trainer, &arguments.save)?;
    if let Some(path) = &arguments.plot {
        show::plot(path, &epochs)?;
    }
    show::confusion(out, &counts)?;
    writeln!(out, "weights: {}", arguments.save.display())?;
    writeln!(out, "test accuracy {:.3} (seed {}, engine {engine})", accuracy(&counts), arguments.seed)?;
    Ok(ExitCode::SUCCESS)
}

fn trainer(arguments: &Arguments, features: usize, classes: usize) -> Result<Trainer, Failure> {
    let (engine, config) = (arguments.device.engine()?, arguments.config(features));
    let rnn = match &arguments.from {
        Some(path) => Rnn::new(&engine, Weights::reader().config(&config).load(path)?),
        None => Rnn::lazy(&engine, &config, Init::pytorch().seed(arguments.seed))?,
    };
    let head = Head::last_states(classes).seed(arguments.seed);
    let optimizer = Optimizer::adamw(arguments.learning_rate);
    let trainer = Trainer::new(rnn, head, Loss::cross_entropy(), optimizer)?.clip(Clip::norm(1.0))?;
    match arguments.dropout > 0.0 && arguments.layers > 1 {
        true => Ok(trainer.dropout(Dropout::new(arguments.dropout).seed(arguments.seed))?),
        false => Ok(trainer),
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

/// Writes the weights, and the checkpoint if one is asked for.
fn keep(
    arguments: &Arguments,
    trainer: &mut Trainer,
    loader: &Loader,
    (epoch, next): (u64, usize),
    epochs: &[Epoch],
) -> Result<(), Failure> {
    if let Some(path) = &arguments.checkpoint {
        let curves: Vec<[f64; 3]> =
            epochs.iter().map(|of| [of.loss, of.train_accuracy, of.test_accuracy]).collect();
        let beside = serde_json::json!({ "loader": loader.state(epoch, next), "curves": curves });
        trainer.checkpoint(beside)?.save(path)?;
    }
    save(trainer, &arguments.save)
}

fn curves(value: &serde_json::Value) -> Vec<Epoch> {
    let rows: Vec<[f64; 3]> = serde_json::from_value(value.clone()).unwrap_or_default();
    let epoch =
        |[loss, train_accuracy, test_accuracy]: [f64; 3]| Epoch { loss, train_accuracy, test_accuracy };
    rows.into_iter().map(epoch).collect()
}

/// Writes the weights of network and head.
fn save(trainer: &mut Trainer, path: &Path) -> Result<(), Failure> {
    trainer.save(path)?;
    Ok(())
}
