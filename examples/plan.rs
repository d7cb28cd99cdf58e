//! Prints what a call will do, without a GPU: buffers, passes, dispatches, workgroups, bytes and FLOPs.
//!
//!     cargo run --release --example plan -- --cell lstm --hidden-size 128 --layers 2 --bidirectional

use clap::{Parser, ValueEnum};
use std::io::Write;
use std::process::ExitCode;
use wgpu_rnn::plan::{Limits, Shape};
use wgpu_rnn::shader::Tile;
use wgpu_rnn::{Cell, Config, Plan, Result, Schedule, Tuning};

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

    /// How time steps become dispatches, instead of the best way: stepwise, paired or sequence
    #[arg(long)]
    schedule: Option<Schedule>,

    /// The tile of the input products, by its name in plans (4, 8s, 1k, 32w and others), instead of the best one
    #[arg(long)]
    project_tile: Option<Tile>,

    /// The tile of the time steps, instead of the best one
    #[arg(long)]
    step_tile: Option<Tile>,
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
    let &Arguments { steps, batch, schedule, project_tile: project, step_tile: step, .. } = arguments;
    let tuning = Tuning { schedule, project, step };
    Plan::of(&config, &Shape { steps, batch, has_lengths: false, tuning }, &limits)
}
