//! Runs the weights of a file on the input of another.
//!
//!     cargo run --release --example infer -- --weights W.safetensors --input X.safetensors --output Y.safetensors

mod arguments;
#[path = "../common/ending.rs"]
mod ending;
mod files;
mod npy;

use arguments::{Arguments, Device, Dtype};
use clap::Parser;
use ending::Failure;
use files::Format;
use std::io::Write;
use std::process::ExitCode;
use wgpu_rnn::{Call, Engine, Layout, Rnn, State, reference};

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,wgpu_hal=off")).init();
    ending::run(|_| run(&Arguments::parse()).map(|()| ExitCode::SUCCESS))
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let format = Format::of(&arguments.output)?;
    arguments.check()?;
    if arguments.is_output_a_source() {
        return Err(format!(
            "--output {}: expected another file than the weights and the input",
            arguments.output.display()
        )
        .into());
    }
    let weights = arguments
        .reader()
        .prefix(arguments.prefix.clone())
        .activation(arguments.activation)
        .settings(|config| arguments.apply(config))
        .load(&arguments.weights)?;
    arguments.check_against(weights.config())?;
    if matches!(format, Format::Npy) && arguments.gives_several(weights.config()) {
        let path = arguments.output.display();
        return Err(format!(
            "--output {path}: expected .safetensors for several arrays over time, found .npy"
        )
        .into());
    }
    let input = files::read(&arguments.input)?;
    if input.batch_sizes.is_some() && arguments.last_only {
        return Err("--last-only: expected input that is not packed, found packed".into());
    }
    // Packed sequences, and one alone, come time first.
    let is_time_first = input.batch_sizes.is_some() || input.is_unbatched();
    let weights = if is_time_first { weights.layout(Layout::Tnc) } else { weights };
    // Before a GPU is looked for.
    let outputs = arguments.outputs();
    let call = input.call().outputs(outputs);
    weights.config().check_call(&call)?;
    let (shape, engine) = match (arguments.dtype, arguments.device) {
        (Dtype::F64, Device::Gpu) => {
            return Err("--dtype f64: expected --device cpu or auto, found gpu".into());
        }
        (Dtype::F64, _) => {
            let double = |state: &State| State {
                h: state.h.mapv(f64::from),
                c: state.c.as_ref().map(|c| c.mapv(f64::from)),
            };
            let (numbers, state) = (input.input.mapv(f64::from), input.state.as_ref().map(double));
            let call = Call::new(&numbers).state(state.as_ref()).outputs(outputs);
            let call = if let Some(lengths) = &input.lengths { call.lengths(lengths) } else { call };
            let answer = reference::call(&weights.cast::<f64>(), &call)?;
            (files::write(&arguments.output, format, &answer, &input)?, answer.engine)
        }
        (dtype, device) => {
            let engine = match device {
                Device::Gpu => Engine::gpu()?,
                Device::Cpu => Engine::cpu(),
                Device::Auto => Engine::auto(),
            };
            let dtype = if dtype == Dtype::F16 { wgpu_rnn::Dtype::F16 } else { wgpu_rnn::Dtype::F32 };
            let answer = Rnn::new(&engine, weights).with_dtype(dtype)?.call(&call)?;
            (files::write(&arguments.output, format, &answer, &input)?, answer.engine)
        }
    };
    // The result is a file: a line about it that nobody can read is no error.
    let path = arguments.output.display();
    let _ = writeln!(std::io::stdout(), "{path}: output {shape:?}, computed on {engine}");
    Ok(())
}
