//! The arguments that tell a network and its call, for the examples that need no weights.

use clap::{Args, ValueEnum};
use wgpu_rnn::inspect::Tile;
use wgpu_rnn::{Cell, Config, Schedule, Tuning};

#[derive(Args)]
pub struct Network {
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

    /// Store numbers as f16, which the adapter has to be able to
    #[arg(long)]
    half: bool,

    /// Time steps (T)
    #[arg(long, default_value_t = 100)]
    pub steps: usize,

    /// Sequences in the batch (N)
    #[arg(long, default_value_t = 16)]
    pub batch: usize,

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
enum Kind {
    RnnRelu,
    RnnTanh,
    Lstm,
    Gru,
}

impl Network {
    pub fn config(&self) -> Config {
        let cell = match self.cell {
            Kind::RnnRelu => Cell::Vanilla(Activation::Relu),
            Kind::RnnTanh => Cell::Vanilla(Activation::Tanh),
            Kind::Lstm => Cell::Lstm,
            Kind::Gru => Cell::Gru,
        };
        let mut config =
            Config::new(cell, self.hidden_size).num_layers(self.layers).input_size(self.input_size);
        if self.bidirectional {
            config = config.bidirectional();
        }
        if self.half {
            config = config.half();
        }
        config
    }

    pub fn tuning(&self) -> Tuning {
        Tuning { schedule: self.schedule, gemm: self.gemm_tile, step: self.step_tile }
    }
}
