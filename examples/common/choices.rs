//! Choices on the command line of the examples that train.

use clap::ValueEnum;
use clap::builder::RangedU64ValueParser;
use std::fmt;
use wgpu_rnn::{Config, Engine, Result};

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Cell {
    Lstm,
    Gru,
    Rnn,
}

impl Cell {
    /// A network of one layer that reads the sequence forward.
    pub fn config(self, hidden: usize) -> Config {
        match self {
            Cell::Lstm => Config::lstm(hidden),
            Cell::Gru => Config::gru(hidden),
            Cell::Rnn => Config::rnn_tanh(hidden),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Cell::Lstm => "lstm",
            Cell::Gru => "gru",
            Cell::Rnn => "rnn",
        })
    }
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Device {
    Auto,
    Gpu,
    Cpu,
    Reference,
}

impl Device {
    pub fn engine(self) -> Result<Engine> {
        Ok(match self {
            Device::Auto => Engine::auto(),
            Device::Gpu => Engine::gpu()?,
            Device::Cpu => Engine::cpu(),
            Device::Reference => Engine::reference(),
        })
    }
}

/// A parser of whole numbers from a least one on.
pub fn at_least(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..)
}
