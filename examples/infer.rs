//! Runs the weights of a file on the input of another.
//!
//!     cargo run --release --example infer -- --weights W.safetensors --input X.safetensors --output Y.safetensors

use clap::{Parser, ValueEnum};
use ndarray::{Array3, ArrayD, ArrayViewD, Ix3};
use ndarray_npy::{ViewNpyExt, WritableElement, WriteNpyExt};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::{error::Error, ffi::OsStr, process::ExitCode};
use wgpu_rnn::{Activation, Call, Engine, Float, Layer, Layout, Output, State, Weights, cpu, file};

/// Run a stacked, bidirectional RNN, LSTM or GRU on a GPU.
///
/// What the network is, is worked out from the names and shapes of its weights (PyTorch's or Gluon's).
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// Weights: safetensors, f32, named weight_ih_l0_reverse ... or r0_i2h_weight ...
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Input: .safetensors with `input` [T, N, I] and, if wished, `h0` and `c0` [L*D, N, H]; or .npy with the input alone
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Result: .safetensors with `output`, `h_n` and, for an LSTM, `c_n`; or .npy with the output alone
    #[arg(long, value_name = "FILE")]
    output: PathBuf,

    /// Where to compute; auto takes the CPU reference if there is no GPU adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    device: Device,

    /// The axes of input and output
    #[arg(long, value_enum, default_value_t = Axes::Tnc)]
    layout: Axes,

    /// The nonlinearity of a vanilla RNN, if the weights' metadata does not tell it
    #[arg(long, value_enum)]
    activation: Option<Nonlinearity>,

    /// Precision; f64 is the CPU reference's alone
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    dtype: Dtype,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Device {
    Gpu,
    Cpu,
    Auto,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Axes {
    Tnc,
    Ntc,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Nonlinearity {
    Relu,
    Tanh,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Dtype {
    F32,
    F64,
}

/// Of the files that are read and written.
#[derive(Clone, Copy)]
enum Format {
    Safetensors,
    Npy,
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,wgpu_hal=off")).init();
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line, whatever a driver may have to say.
            eprintln!("error: {}", error.to_string().split_whitespace().collect::<Vec<_>>().join(" "));
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let format = Format::of(&arguments.output)?;
    let same = |other: &Path| {
        other.canonicalize().is_ok_and(|other| arguments.output.canonicalize().is_ok_and(|o| o == other))
    };
    if same(&arguments.weights) || same(&arguments.input) {
        return Err(format!(
            "--output {}: expected another file than the weights and the input",
            arguments.output.display()
        )
        .into());
    }
    let activation = arguments.activation.map(|activation| match activation {
        Nonlinearity::Relu => Activation::Relu,
        Nonlinearity::Tanh => Activation::Tanh,
    });
    let weights = Weights::load(&arguments.weights, activation)?;
    if activation.is_some() && weights.config().cell.activation().is_none() {
        let cell = weights.config().cell.name();
        return Err(format!("--activation: expected none for the weights of a {cell}, found one").into());
    }
    let weights = weights.layout(match arguments.layout {
        Axes::Tnc => Layout::Tnc,
        Axes::Ntc => Layout::Ntc,
    });
    let (input, state) = read(&arguments.input)?;
    // Before a GPU is looked for.
    weights.config().check_call(&Call::new(&input).state(state.as_ref()))?;
    match (arguments.dtype, arguments.device) {
        (Dtype::F64, Device::Gpu) => Err("--dtype f64: expected --device cpu or auto, found gpu".into()),
        (Dtype::F64, _) => {
            let state = state
                .map(|state| State { h: state.h.mapv(f64::from), c: state.c.map(|c| c.mapv(f64::from)) });
            let answer = cpu::forward(&weights.cast::<f64>(), &input.mapv(f64::from), state.as_ref())?;
            write(&arguments.output, format, &answer)
        }
        (Dtype::F32, device) => {
            let engine = match device {
                Device::Gpu => Engine::gpu()?,
                Device::Cpu => Engine::cpu(),
                Device::Auto => Engine::auto(),
            };
            let answer = Layer::new(&engine, weights).forward(&input, state.as_ref())?;
            write(&arguments.output, format, &answer)
        }
    }
}

impl Format {
    fn of(path: &Path) -> Result<Format, String> {
        match path.extension().and_then(OsStr::to_str) {
            Some("safetensors") => Ok(Format::Safetensors),
            Some("npy") => Ok(Format::Npy),
            _ => Err(format!("{}: expected a name that ends in .safetensors or .npy", path.display())),
        }
    }
}

fn read(path: &Path) -> Result<(ArrayD<f32>, Option<State>), Box<dyn Error>> {
    let within = |what: String| format!("{}: {what}", path.display());
    if let Format::Npy = Format::of(path)? {
        // As a view of the file, so that a header that lies about the size makes no array of it.
        let bytes = std::fs::read(path).map_err(|error| within(format!("cannot be read: {error}")))?;
        let input = ArrayViewD::<f32>::view_npy(&bytes)
            .map_err(|error| within(format!("expected a .npy array of f32: {error}")))?;
        return Ok((input.to_owned(), None));
    }
    let mut tensors = file::load_tensors(path)?;
    let input =
        tensors.remove("input").ok_or_else(|| within("expected a tensor named input, found none".into()))?;
    let [h, c] = ["h0", "c0"].map(|name| tensors.remove(name).map(|tensor| (name, tensor)));
    if let Some(name) = tensors.keys().next() {
        return Err(within(format!("expected input, h0 and c0, found a tensor named {name}")).into());
    }
    let rank3 = |(name, tensor): (&str, ArrayD<f32>)| -> Result<Array3<f32>, String> {
        let shape = tensor.shape().to_vec();
        let wrong = |_| within(format!("{name}: expected shape [L*D, N, H], found {shape:?}"));
        tensor.into_dimensionality::<Ix3>().map_err(wrong)
    };
    let state = match (h, c) {
        (None, None) => None,
        (None, Some(_)) => return Err(within("expected h0 beside c0, found none".into()).into()),
        (Some(h), c) => Some(State { h: rank3(h)?, c: c.map(rank3).transpose()? }),
    };
    Ok((input, state))
}

fn write<T: Float + WritableElement>(
    path: &Path,
    format: Format,
    answer: &Output<T>,
) -> Result<(), Box<dyn Error>> {
    match format {
        Format::Safetensors => {
            let c_n = answer.c_n.as_ref().map(|c_n| ("c_n", c_n));
            let tensors = [("output", &answer.output), ("h_n", &answer.h_n)].into_iter().chain(c_n);
            file::save_tensors(
                path,
                tensors.map(|(name, array)| (name.to_owned(), array.view().into_dyn())),
            )?;
        }
        Format::Npy => {
            let mut bytes = Vec::new();
            answer.output.write_npy(&mut bytes)?;
            file::replace(path, &bytes)?;
        }
    }
    let shape = answer.output.shape();
    // Nobody need be listening.
    let _ =
        writeln!(std::io::stdout(), "{}: output {shape:?}, computed on {}", path.display(), answer.engine);
    Ok(())
}
