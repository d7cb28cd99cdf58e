//! Prints what a call will do, without a GPU: buffers, passes, dispatches, workgroups, bytes and FLOPs.
//!
//!     cargo run --release --example plan -- --cell lstm --hidden-size 128 --layers 2 --bidirectional

use clap::{Parser, ValueEnum};
use std::io::Write;
use std::process::ExitCode;
use wgpu_rnn::plan::Limits;
use wgpu_rnn::{Cell, Config, Plan, Result};

/// Print the plan of a stacked, bidirectional RNN, LSTM or GRU, within the limits that every WebGPU adapter has.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The cell
    #[arg(long, value_enum, default_value_t = Kind::Lstm)]
    cell: Kind,

    /// Units a layer and direction (H)
    #[arg(long, default_value_t = 128)]
    hidden_size: usize,

    /// Features of the input (I)
    #[arg(long, default_value_t = 128)]
    input_size: usize,

    /// Layers (L)
    #[arg(long, default_value_t = 1)]
    layers: usize,

    /// Read the sequence both ways
    #[arg(long)]
    bidirectional: bool,

    /// Time steps (T)
    #[arg(long, default_value_t = 100)]
    steps: usize,

    /// Sequences in the batch (N)
    #[arg(long, default_value_t = 16)]
    batch: usize,

    /// Plan for a CPU adapter (lavapipe) with subgroups of eight
    #[arg(long)]
    cpu_adapter: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Kind {
    RnnRelu,
    RnnTanh,
    Lstm,
    Gru,
}

fn main() -> ExitCode {
    match plan(&Arguments::parse()) {
        Ok(plan) => {
            // Nobody need be listening.
            let _ = write!(std::io::stdout(), "{plan}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let cell = match arguments.cell {
        Kind::RnnRelu => Cell::RnnRelu,
        Kind::RnnTanh => Cell::RnnTanh,
        Kind::Lstm => Cell::Lstm,
        Kind::Gru => Cell::Gru,
    };
    let mut config = Config::new(cell, arguments.hidden_size)
        .num_layers(arguments.layers)
        .input_size(arguments.input_size);
    if arguments.bidirectional {
        config = config.bidirectional();
    }
    let mut limits = Limits::default();
    if arguments.cpu_adapter {
        limits.cpu = true;
        limits.subgroup_size = 8;
    }
    Plan::new(&config, arguments.steps, arguments.batch, &limits)
}
