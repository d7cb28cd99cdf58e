//! The command line.

use crate::choices::{Cell, Device, at_least};
use crate::learn::Settings;
use clap::{Parser, value_parser};
use std::path::PathBuf;

/// Read strings of digits from the touch tones of a telephone in noise, without being told where a digit is.
///
/// A bidirectional network learns by CTC, and its predictions are decoded greedily. Progress goes to standard
/// error; the last line on standard output is the error rate on strings that the network has never heard.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// The cell
    #[arg(long, value_enum, default_value_t = Cell::Lstm)]
    pub cell: Cell,

    /// Units of each direction
    #[arg(long, value_name = "H", default_value_t = 48)]
    pub hidden: usize,

    /// Digits of a string at most; there are as many strings of each length from 1 on
    #[arg(long, value_name = "COUNT", default_value_t = 8, value_parser = at_least(1))]
    pub digits: usize,

    /// The standard deviation of both parts of the noise, where a tone's level is about 1
    #[arg(long, value_name = "LEVEL", default_value_t = 0.25)]
    pub noise: f32,

    /// Strings of a batch
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least(1))]
    pub batch: usize,

    /// Updates of the weights, each by strings that were never heard before
    #[arg(long, value_name = "COUNT", default_value_t = 800, value_parser = value_parser!(u64).range(1..))]
    pub updates: u64,

    /// The seed of weights and strings
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// The learning rate of AdamW at the start
    #[arg(long, value_name = "RATE", default_value_t = 1e-2)]
    pub learning_rate: f64,

    /// The engine; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// The curve of the loss, as FILE.png and FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl Arguments {
    pub fn settings(&self) -> Settings {
        let &Arguments { cell, hidden, digits, noise, batch, updates, seed, learning_rate, .. } = self;
        Settings { cell, hidden, digits, noise, batch, updates, seed, learning_rate }
    }
}
