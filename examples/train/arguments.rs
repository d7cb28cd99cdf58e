//! The command line.

use crate::choices::{Cell, Device};
use clap::Parser;
use std::path::{Path, PathBuf};
use wgpu_rnn::{Config, Dropout};

/// Train a stacked, bidirectional RNN, LSTM or GRU to tell sequences apart.
///
/// Without --data, the sequences are recordings of nine speakers (Japanese Vowels, UCI), and the network
/// learns to recognise the speaker. Progress goes to standard error; the last line on standard output is the
/// accuracy on the test sequences after the last epoch.
#[derive(Parser)]
#[command(version, args_override_self = true)]
pub struct Arguments {
    /// The cell
    #[arg(long, value_enum, default_value_t = Cell::Lstm)]
    pub cell: Cell,

    /// Layers
    #[arg(long, value_name = "L", default_value_t = 2)]
    pub layers: usize,

    /// Units of each layer and direction
    #[arg(long, value_name = "H", default_value_t = 64)]
    pub hidden: usize,

    /// The probability that a number between two layers is dropped
    #[arg(long, value_name = "P", default_value_t = 0.3)]
    pub dropout: f32,

    /// The seed of weights, order and dropout
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// Times that all sequences are learnt from
    #[arg(long, default_value_t = 60)]
    pub epochs: u64,

    /// Sequences of a batch
    #[arg(long, value_name = "N", default_value_t = 27)]
    pub batch: usize,

    /// The learning rate of AdamW
    #[arg(long, value_name = "RATE", default_value_t = 2e-3)]
    pub learning_rate: f64,

    /// The engine; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// Sequences of one's own: safetensors with `x` [N, T, I], `length` [N] and `label` [N]
    #[arg(long, value_name = "FILE")]
    pub data: Option<PathBuf>,

    /// The part of --data that is held back for the test
    #[arg(long, value_name = "PART", default_value_t = 0.2, requires = "data")]
    pub held_back: f64,

    /// Weights to begin with, of a network of the same sizes; the head begins anew
    #[arg(long, value_name = "FILE")]
    pub from: Option<PathBuf>,

    /// The network that is meant in --from, of a file with several
    #[arg(long, value_name = "NAME", requires = "from")]
    pub from_prefix: Option<String>,

    /// The file for the weights, which `infer` and PyTorch read; also written on Ctrl-C
    #[arg(long, value_name = "FILE", default_value = "trained.safetensors")]
    pub save: PathBuf,

    /// The file that the run can go on from; written after every epoch and on Ctrl-C
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,

    /// Write --checkpoint after so many batches as well
    #[arg(long, value_name = "BATCHES", requires = "checkpoint")]
    pub checkpoint_every: Option<usize>,

    /// Go on from --checkpoint, if the file is there; the result has the bits of a run that was never stopped
    #[arg(long, requires = "checkpoint")]
    pub resume: bool,

    /// The curves of loss and accuracy, as FILE.png and FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl Arguments {
    pub fn config(&self, input_size: usize) -> Config {
        self.cell.config(self.hidden).num_layers(self.layers).bidirectional().input_size(input_size)
    }

    /// None where nothing is dropped: there is nothing between layers if there is one.
    pub fn dropout(&self) -> Option<Dropout> {
        let drops = self.dropout != 0.0 && self.layers > 1;
        drops.then(|| Dropout::new(self.dropout).seed(self.seed))
    }

    /// Refuses what would fail after the training, or would not be noticed.
    pub fn check(&self) -> std::result::Result<(), String> {
        if self.batch == 0 {
            return Err("--batch: expected at least 1, found 0".into());
        }
        if self.checkpoint_every == Some(0) {
            return Err("--checkpoint-every: expected at least 1, found 0".into());
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return Err(format!("--dropout: expected a probability from 0 to 1, found {}", self.dropout));
        }
        if self.checkpoint.as_ref() == Some(&self.save) {
            return Err("--checkpoint: expected another file than --save, found the same".into());
        }
        let plot = self.plot.as_deref();
        let files =
            [("--save", Some(&*self.save)), ("--checkpoint", self.checkpoint.as_deref()), ("--plot", plot)];
        for (flag, file) in files {
            let folder = file.and_then(Path::parent).filter(|folder| !folder.as_os_str().is_empty());
            if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
                return Err(format!(
                    "{flag}: expected a file in a folder, found no folder {}",
                    folder.display()
                ));
            }
        }
        Ok(())
    }
}
