//! Prints what a call will do, without a GPU: buffers, passes, dispatches, workgroups, bytes and FLOPs.
//!
//!     cargo run --release --example plan -- --cell lstm --hidden-size 128 --layers 2 --bidirectional

#[path = "common/ending.rs"]
mod ending;
#[path = "common/network.rs"]
mod network;

use clap::{Parser, ValueEnum};
use network::Network;
use std::path::PathBuf;
use std::process::ExitCode;
use wgpu_rnn::{Activation, Limits, Machine, Plan, Result, Save, Weights, Workload};

/// Print the plan of a stacked, bidirectional RNN, LSTM or GRU, within the limits that every WebGPU adapter
/// has.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    network: Network,

    /// Plan for the network of a file of weights, instead of that of the arguments
    #[arg(long, value_name = "FILE", conflicts_with_all = ["cell", "hidden_size", "input_size", "layers", "bidirectional"])]
    weights: Option<PathBuf>,

    /// The network that is meant, of a file with several
    #[arg(long, value_name = "NAME", requires = "weights")]
    prefix: Option<String>,

    /// The nonlinearity of a vanilla RNN, if the file does not tell it
    #[arg(long, value_name = "NAME", requires = "weights")]
    activation: Option<Activation>,

    /// Plan the call as one that is saved, with its backward pass: it keeps gates, or states alone
    #[arg(long, value_enum)]
    save: Option<Saving>,

    /// Plan for a software adapter (lavapipe) with subgroups of eight and f16
    #[arg(long)]
    cpu_adapter: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Saving {
    Gates,
    States,
}

fn main() -> ExitCode {
    ending::run(|out| {
        write!(out, "{}", plan(&Arguments::parse())?)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn plan(arguments: &Arguments) -> Result<Plan> {
    let mut limits = Limits::default();
    if arguments.cpu_adapter {
        limits.machine = Machine::SOFTWARE;
        limits.subgroup_size = 8;
        limits.f16 = true;
    }
    let saves = arguments.save.map(|saving| match saving {
        Saving::Gates => Save::Gates,
        Saving::States => Save::States,
    });
    let workload = Workload { saves, ..arguments.network.workload() };
    let config = match &arguments.weights {
        Some(path) => {
            let reader = Weights::reader().prefix(arguments.prefix.clone());
            reader.activation(arguments.activation).load_config(path)?
        }
        None => arguments.network.config(),
    };
    Plan::of(&config, &workload, &limits)
}
