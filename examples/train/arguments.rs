//! The command line.

use crate::choices::{Cell, Device, at_least};
use clap::Parser;
use std::path::PathBuf;
use wgpu_rnn::Config;

/// Train a stacked, bidirectional RNN, LSTM or GRU to tell sequences apart.
///
/// Without --data, the sequences are recordings of nine speakers (Japanese Vowels, UCI), and the network learns
/// to recognise the speaker. Progress goes to standard error; the last line on standard output is the accuracy
/// on the test sequences after the last epoch.
#[derive(Parser)]
#[command(version)]
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
    #[arg(long, value_name = "N", default_value_t = 27, value_parser = at_least(1))]
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

    /// The file for the weights, which `infer` and PyTorch read; also written on Ctrl-C
    #[arg(long, value_name = "FILE", default_value = "trained.safetensors")]
    pub save: PathBuf,

    /// The file that the run can go on from; written after every epoch and on Ctrl-C
    #[arg(long, value_name = "FILE")]
    pub checkpoint: Option<PathBuf>,

    /// Go on from --checkpoint, if the file is there
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
}
