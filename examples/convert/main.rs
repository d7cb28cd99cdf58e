//! Writes the network of a file of weights as another kind of file, or tells what a file has.
//!
//!     cargo run --release --example convert -- IN OUT
//!     cargo run --release --example convert -- --inspect IN

#[path = "../common/ending.rs"]
mod ending;
mod show;
#[path = "../common/sizes.rs"]
mod sizes;

use clap::{Parser, ValueEnum};
use ending::Failure;
use sizes::Sizes;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use wgpu_rnn::file::{self, Format, Limits};
use wgpu_rnn::{Activation, Layout, Naming, Weights};

/// Convert the weights of a recurrent network from one kind of file to another, or tell what a file has.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Weights: .safetensors, PyTorch's .pt and .pth, MXNet's .params, .npz, .onnx, Keras'
    /// .keras and .h5
    #[arg(value_name = "IN")]
    input: PathBuf,

    /// Result: .safetensors, .params (Gluon's), .npz or .onnx
    #[arg(value_name = "OUT", required_unless_present = "inspect", conflicts_with = "inspect")]
    output: Option<PathBuf>,

    /// Tell the kind of file, every array, and every network
    #[arg(long)]
    inspect: bool,

    /// Tell it as JSON
    #[arg(long, requires = "inspect")]
    json: bool,

    /// The network that is meant, of a file with several: its path, as `encoder.lstm`, or the end of it
    #[arg(long, value_name = "NAME")]
    prefix: Option<String>,

    /// Cell and sizes, of a file that does not tell them (MXNet 2's one vector): lstm:100:20:2:both for H
    /// 100, I 20, two layers and both directions; proj=P for a projection
    #[arg(long, value_name = "CELL:H:I[:L][:both]")]
    sizes: Option<Sizes>,

    /// The nonlinearity of a vanilla RNN, if the file does not tell it
    #[arg(long, value_name = "NAME")]
    activation: Option<Activation>,

    /// Whose names the tensors get, in .safetensors and .npz
    #[arg(long, value_enum, default_value_t = Names::Torch)]
    names: Names,
}

#[derive(Clone, Copy, ValueEnum)]
enum Names {
    Torch,
    Gluon,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("info,wgpu_hal=off")).init();
    ending::run(|out| run(&Arguments::parse(), out).map(|()| ExitCode::SUCCESS))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let input = &arguments.input;
    let Some(output) = &arguments.output else {
        let inspection = file::inspect(input, Limits::default())?;
        if arguments.json {
            writeln!(out, "{}", show::json(&inspection, input)?)?;
            return Ok(());
        }
        return show::show(&inspection, input, out);
    };
    let naming = match arguments.names {
        Names::Torch => Naming::PyTorch,
        Names::Gluon => Naming::Gluon,
    };
    let format = Format::of(output, naming)?;
    if is_same(input, output) {
        return Err(format!("{}: expected another file than the weights", output.display()).into());
    }
    let mut reader = Weights::reader().prefix(arguments.prefix.clone()).activation(arguments.activation);
    if let Some(Sizes(config)) = &arguments.sizes {
        reader = reader.config(config);
    }
    let weights = reader.load(input)?;
    weights.save(output, format)?;
    writeln!(out, "{}: {}", output.display(), show::network(weights.config(), true))?;
    if weights.config().layout == Layout::Ntc && matches!(format, Format::Params | Format::Npz(_)) {
        writeln!(out, "  this kind of file does not tell the layout: infer --layout ntc takes [N, T, I]")?;
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    real(one).is_some_and(|one| real(other) == Some(one))
}
