//! The arguments that tell a network and its call, for the examples that need no weights.

use clap::{Args, ValueEnum};
use wgpu_rnn::{Cell, Config, Schedule, Tile, Tuning, Workload};

#[derive(Args)]
pub struct Network {
    /// The cell: rnn_relu, rnn_tanh, lstm, gru, or rnn:ACTIVATION
    #[arg(long, default_value_t = Cell::Lstm)]
    cell: Cell,

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

    /// The type that numbers are stored as; f16 needs an adapter with SHADER_F16
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,

    /// Time steps (T)
    #[arg(long, default_value_t = 100)]
    steps: usize,

    /// Sequences in the batch (N)
    #[arg(long, default_value_t = 16)]
    batch: usize,

    /// How time steps become dispatches, instead of the best way: stepwise, paired or sequence
    #[arg(long)]
    schedule: Option<Schedule>,

    /// The tile of the input products, by its name in plans (4, 8s, 1k, 32w and others), instead of the best
    /// one
    #[arg(long)]
    gemm_tile: Option<Tile>,

    /// The tile of the time steps, instead of the best one
    #[arg(long)]
    step_tile: Option<Tile>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Dtype {
    F32,
    F16,
}

impl Network {
    pub fn config(&self) -> Config {
        let config =
            Config::new(self.cell, self.hidden_size).num_layers(self.layers).input_size(self.input_size);
        if self.bidirectional { config.bidirectional() } else { config }
    }

    pub fn workload(&self) -> Workload {
        let dtype = match self.dtype {
            Dtype::F32 => wgpu_rnn::Dtype::F32,
            Dtype::F16 => wgpu_rnn::Dtype::F16,
        };
        let tuning = Tuning { schedule: self.schedule, gemm: self.gemm_tile, step: self.step_tile };
        Workload { dtype, tuning, ..Workload::new(self.steps, self.batch) }
    }
}
