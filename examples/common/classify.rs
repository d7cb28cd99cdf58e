//! The run of an example that learns to tell sequences apart: data, trainer, epochs, checkpoints. It is one
//! process of one or of many, each with batches of its own.

use crate::ending::Failure;
use crate::progress::Progress;
use crate::settings::Settings;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use wgpu_rnn::train::{
    Checkpoint, Clip, Dataset, Head, Loader, Loss, Optimizer, Prefetch, Report, Targets, Trainer, argmax,
};
use wgpu_rnn::{Call, Rnn};

/// Steps are padded to multiples of this, so that batches have few shapes.
const STEPS: usize = 8;

/// Batches of like lengths are drawn from so many at a time.
const BUCKETS: usize = 3;

/// Sequences of a batch of the test.
const TEST_BATCH: usize = 64;

/// The first line of `--log`.
const LOG_HEAD: &str = "step,loss,rows,right,norm,learning_rate\n";

/// The numbers of an epoch.
#[derive(Clone, Copy)]
pub struct Epoch {
    pub loss: f64,
    pub train_accuracy: f64,
    pub test_accuracy: f64,
}

/// The sequences to learn from, and those of the test.
pub struct Data {
    train: Arc<Dataset>,
    test: Dataset,
    classes: usize,
}

impl Data {
    /// The sequences that are asked for, or the recordings of a folder.
    pub fn open(settings: &Settings, recordings: &Path) -> Result<Data, Failure> {
        let (train, test) = match &settings.data {
            Some(path) => Dataset::open(path)?.hold_back(settings.held_back, settings.seed)?,
            None => {
                let open = |name| Dataset::open(recordings.join(name));
                (open("train.safetensors")?, open("test.safetensors")?)
            }
        };
        let (train, test) = (Arc::new(train.step_multiple(STEPS)), test.step_multiple(STEPS));
        let (classes, sequences) = (train.classes().max(test.classes()), train.len() + test.len());
        if classes > sequences {
            let last = sequences - 1;
            let found = classes - 1;
            return Err(
                format!("label: expected 0 to {last} for {sequences} sequences, found {found}").into()
            );
        }
        Ok(Data { train, test, classes })
    }

    pub fn features(&self) -> usize {
        self.train.features()
    }
}

/// A run, and its place.
pub struct Run<'a> {
    settings: &'a Settings,
    data: Data,
    loader: Loader,
    pub trainer: Trainer,
    /// This process shows the progress, and tests and writes.
    is_first: bool,
    place: Place,
    /// The lines of `--log`.
    log: Arc<Mutex<String>>,
}

/// Epochs that are done, batches of the next one, and what is known of it.
#[derive(Default)]
struct Place {
    epoch: u64,
    next: usize,
    sums: Sums,
    epochs: Vec<Epoch>,
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

impl<'a> Run<'a> {
    /// A run of a process with a rank among many.
    pub fn new(
        settings: &'a Settings,
        data: Data,
        rnn: Rnn,
        [rank, world]: [usize; 2],
    ) -> Result<Run<'a>, Failure> {
        let loader = Loader::new(&data.train.lengths(), settings.batch).seed(settings.seed).buckets(BUCKETS);
        let loader = loader.shard(rank, world);
        // Settings that exclude each other are refused before the network is made.
        loader.batches()?;
        let head = Head::last_states(data.classes).seed(settings.seed);
        let optimizer = Optimizer::adamw(settings.learning_rate);
        let mut trainer = Trainer::new(rnn, head, Loss::cross_entropy(), optimizer)?.clip(Clip::norm(1.0))?;
        if let Some(dropout) = settings.dropout() {
            trainer = trainer.dropout(dropout.rank(rank as u32))?;
        }
        let log = Arc::new(Mutex::new(LOG_HEAD.to_owned()));
        if settings.log.is_some() {
            let log = log.clone();
            trainer = trainer.on_report(move |report| write_line(&log, report));
        }
        let (is_first, place) = (rank == 0, Place::default());
        let mut run = Run { settings, data, loader, trainer, is_first, place, log };
        if let Some(path) = settings.checkpoint.as_ref().filter(|path| settings.resume && path.exists()) {
            run.resume(path)?;
        }
        Ok(run)
    }

    /// Learns for the epochs that are left, unless it is told to stop. The answer is whether it came to the
    /// end.
    pub fn learn(&mut self, stops: impl Fn() -> bool) -> Result<bool, Failure> {
        let (epochs, batches) = (self.settings.epochs, self.loader.batches()? as u64);
        let progress = self.is_first.then(|| Progress::new(epochs, batches, self.trainer.steps()));
        while self.place.epoch < epochs {
            let (rows, begun) = (self.place.sums.rows, Instant::now());
            let left = self.loader.epoch(self.place.epoch)?.split_off(self.place.next);
            for batch in Prefetch::new(&self.data.train, left) {
                let batch = batch?;
                let call = Call::new(&batch.input).lengths(&batch.lengths);
                let reports = self.trainer.step(&call, &Targets::Classes(batch.labels));
                self.place.sums.add(&reports?);
                self.place.next += 1;
                let done = self.trainer.steps();
                progress.iter().for_each(|progress| progress.batch(done));
                let is_stopped = stops();
                if is_stopped
                    || self.settings.checkpoint_every.is_some_and(|every| done.is_multiple_of(every as u64))
                {
                    // A checkpoint has no reports: those that are not there yet belong to this epoch.
                    self.place.sums.add(&self.trainer.finish()?);
                    self.keep()?;
                }
                if is_stopped {
                    progress.iter().for_each(Progress::end);
                    return self.write_log().map(|()| false);
                }
            }
            self.place.sums.add(&self.trainer.finish()?);
            let rows_per_second = (self.place.sums.rows - rows) as f64 / begun.elapsed().as_secs_f64();
            let sums = std::mem::take(&mut self.place.sums);
            (self.place.epoch, self.place.next) = (self.place.epoch + 1, 0);
            if let Some(progress) = &progress {
                let of = Epoch {
                    loss: sums.loss / sums.rows.max(1) as f64,
                    train_accuracy: sums.right as f64 / sums.rows.max(1) as f64,
                    test_accuracy: accuracy(&self.confusion()?),
                };
                self.place.epochs.push(of);
                progress.epoch(self.place.epoch, &of, rows_per_second);
            }
            self.keep()?;
        }
        progress.iter().for_each(Progress::end);
        self.write_log().map(|()| true)
    }

    /// Writes the losses, if they are asked for, and of many processes by the first.
    fn write_log(&self) -> Result<(), Failure> {
        let Some(path) = self.settings.log.as_ref().filter(|_| self.is_first) else { return Ok(()) };
        Ok(wgpu_rnn::file::replace(path, lines(&self.log).as_bytes())?)
    }

    /// The numbers of each epoch.
    pub fn epochs(&self) -> &[Epoch] {
        &self.place.epochs
    }

    /// Counts of the test by class and prediction.
    pub fn confusion(&mut self) -> Result<Vec<Vec<usize>>, Failure> {
        let mut counts = vec![vec![0; self.data.classes]; self.data.classes];
        let all: Vec<usize> = (0..self.data.test.len()).collect();
        for indices in all.chunks(TEST_BATCH) {
            let batch = self.data.test.batch(indices)?;
            let predictions = self.trainer.predict(&Call::new(&batch.input).lengths(&batch.lengths))?;
            for (&label, &predicted) in batch.labels.iter().zip(argmax(&predictions).row(0)) {
                counts[label as usize][predicted] += 1;
            }
        }
        Ok(counts)
    }

    /// Writes the checkpoint, if one is asked for, and of many processes by the first.
    fn keep(&mut self) -> Result<(), Failure> {
        let Some(path) = self.settings.checkpoint.as_ref().filter(|_| self.is_first) else { return Ok(()) };
        let Place { epoch, next, sums, epochs } = &self.place;
        let curves: Vec<[f64; 3]> =
            epochs.iter().map(|of| [of.loss, of.train_accuracy, of.test_accuracy]).collect();
        let beside = serde_json::json!({
            "loader": self.loader.state(*epoch, *next),
            "sums": (sums.loss, sums.rows, sums.right),
            "curves": curves,
        });
        Ok(self.trainer.save_checkpoint(path, beside)?)
    }

    /// Goes on from a checkpoint. The settings of the loader are checked early: their names are the plainest.
    fn resume(&mut self, path: &Path) -> Result<(), Failure> {
        let checkpoint = Checkpoint::open(path)?;
        let of = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        checkpoint.weights(self.trainer.weights()?.0.config()).map_err(|error| of(&error))?;
        let state = &checkpoint.state["beside"]["loader"];
        let (epoch, next) = self.loader.restore(state).map_err(|error| of(&error))?;
        let beside = self.trainer.restore(&checkpoint).map_err(|error| of(&error))?;
        let (loss, rows, right) =
            serde_json::from_value(beside["sums"].clone()).map_err(|error| of(&error))?;
        let curves: Vec<[f64; 3]> =
            serde_json::from_value(beside["curves"].clone()).map_err(|error| of(&error))?;
        let of =
            |[loss, train_accuracy, test_accuracy]: [f64; 3]| Epoch { loss, train_accuracy, test_accuracy };
        let epochs = curves.into_iter().map(of).collect();
        self.place = Place { epoch, next, sums: Sums { loss, rows, right }, epochs };
        if self.is_first {
            let (path, steps) = (path.display(), self.trainer.steps());
            let _ = writeln!(std::io::stderr(), "goes on from {path}, after {steps} batches");
        }
        Ok(())
    }
}

/// A line of `--log`.
fn write_line(log: &Mutex<String>, report: &Report) {
    let Report { step, loss, rows, right, norm, learning_rate, .. } = report;
    // Text can be written to.
    let _ = writeln!(lines(log), "{step},{loss},{rows},{right},{norm},{learning_rate}");
}

/// The lines of `--log`, which a panic elsewhere leaves whole.
fn lines(log: &Mutex<String>) -> MutexGuard<'_, String> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn accuracy(counts: &[Vec<usize>]) -> f64 {
    let right: usize = counts.iter().enumerate().map(|(class, row)| row[class]).sum();
    right as f64 / counts.iter().flatten().sum::<usize>().max(1) as f64
}
