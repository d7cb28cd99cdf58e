//! The command line.

use crate::choices::at_least;
use crate::settings::Settings;
use clap::{Parser, Subcommand};

/// Train a stacked, bidirectional RNN, LSTM or GRU on many processes: mpirun -n 2 train-mpi.
///
/// Every process (rank) has batches of its own, and one all-reduce per step sums their gradients. The same
/// seed and number of ranks give the same bits. Without --data, the sequences are recordings of nine speakers
/// (Japanese Vowels, UCI). The first rank writes files, shows the progress on standard error, and at the end
/// the accuracy on the test sequences on standard output. A rank that fails or dies ends all;
/// --checkpoint and --resume go on from the last checkpoint, with as many ranks.
#[derive(Parser)]
#[command(version, args_override_self = true, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(flatten)]
    pub settings: Settings,

    /// Threads of each process
    #[arg(long, default_value_t = 1, global = true, value_parser = at_least(1))]
    pub threads: usize,

    #[command(subcommand)]
    pub command: Option<Command>,
}

#[derive(Subcommand)]
pub enum Command {
    /// Measure steps and all-reduces instead
    Bench(Bench),
}

#[derive(clap::Args)]
pub struct Bench {
    /// Steps of each network that are measured
    #[arg(long, default_value_t = 40, value_parser = at_least(1))]
    pub steps: usize,

    /// All-reduces of each size that are measured
    #[arg(long, default_value_t = 15, value_parser = at_least(1))]
    pub sums: usize,

    /// Divide the batch by the number of ranks (strong scaling), instead of the same batch for each
    #[arg(long)]
    pub strong: bool,
}
