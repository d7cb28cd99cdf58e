//! The command line.

use crate::choices::{Cell, Device, at_least};
use crate::learn::Settings;
use clap::{Parser, value_parser};
use std::path::PathBuf;

/// Learn a task that needs a long memory and both directions, with gates and without.
///
/// Two numbers of a sequence are marked, one in each half, and every step asks for their sum (the adding
/// problem). A network with gates and a vanilla one learn it by the same settings. Progress goes to standard
/// error; the last line on standard output says who solved the task.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// The cell of the only network, instead of a comparison of gru and rnn; an lstm does not learn 400 steps
    /// within 1,500 updates
    #[arg(long, value_enum)]
    pub cell: Option<Cell>,

    /// Units of each direction
    #[arg(long, value_name = "H", default_value_t = 24)]
    pub hidden: usize,

    /// Steps of a sequence, at least 2
    #[arg(long, value_name = "T", default_value_t = 400, value_parser = at_least(2))]
    pub steps: usize,

    /// Sequences of a batch
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least(1))]
    pub batch: usize,

    /// Updates of the weights, each by sequences that were never seen before
    #[arg(long, value_name = "COUNT", default_value_t = 600, value_parser = value_parser!(u64).range(1..))]
    pub updates: u64,

    /// The seed of weights and sequences
    #[arg(long, default_value_t = 0)]
    pub seed: u64,

    /// The learning rate of Adam at the start
    #[arg(long, value_name = "RATE", default_value_t = 2e-2)]
    pub learning_rate: f64,

    /// The engine; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// The curves of the error, as FILE.png and FILE.svg
    #[arg(long, value_name = "FILE")]
    pub plot: Option<PathBuf>,
}

impl Arguments {
    pub fn settings(&self) -> Settings {
        let &Arguments { hidden, steps, batch, updates, seed, learning_rate, .. } = self;
        Settings { hidden, steps, batch, updates, seed, learning_rate }
    }

    pub fn cells(&self) -> Vec<Cell> {
        self.cell.map_or(vec![Cell::Gru, Cell::Rnn], |cell| vec![cell])
    }
}
