//! Computes the gradients of a loss by the input, the initial states and the weights of a network.
//!
//!     cargo run --release --example gradients -- --weights W.safetensors --input X.safetensors \
//!         --output Y.safetensors
//!
//! X is the input of `infer`, and the gradients of the loss by the arrays that a call gives, under their
//! names with `grad_` in front. Y gets the gradients by everything that the call is made of, and its outputs.

#[path = "../infer/arguments.rs"]
#[allow(dead_code, reason = "infer's arguments")]
mod arguments;
#[path = "../common/ending.rs"]
mod ending;
#[path = "../infer/files.rs"]
#[allow(dead_code, reason = "infer's files")]
mod files;
#[path = "../infer/npy.rs"]
mod npy;

use arguments::{Arguments, Device, Dtype};
use clap::{CommandFactory, FromArgMatches, Parser, ValueEnum};
use ending::Failure;
use files::{Format, Input};
use ndarray::{Array3, ArrayD, Axis, Ix2, Ix3};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use wgpu_rnn::file::{self, Limits, Tensors, quote};
use wgpu_rnn::{
    Call, CallGradients, Dropout, Engine, Float, Layout, Naming, Output, OutputGradients, Packed, Rnn, Save,
    Weights, reference,
};

/// Compute the gradients of a loss by the input, the initial states and the weights of an RNN, LSTM or GRU.
///
/// X holds `infer`'s input, and the loss's gradients by the outputs: grad_output, grad_h_n, grad_c_n, also
/// grad_output_reverse, grad_cell_states and grad_output_l0 ...; a missing one is zero. Y gets grad_input,
/// grad_h0, for an LSTM grad_c0, grad.NAME for every tensor of W, and the outputs.
#[derive(Parser)]
#[command(version)]
struct GradientArguments {
    #[command(flatten)]
    call: Arguments,

    /// Drops outputs between layers with this probability, from 0 to 1
    #[arg(long, value_name = "P", allow_hyphen_values = true)]
    dropout: Option<f32>,

    /// The seed of the dropped numbers
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,

    /// The numbers kept for the backward pass: gates, or states alone, in less memory and more time
    #[arg(long, value_enum, default_value_t = Saving::Gates)]
    save: Saving,
}

#[derive(Clone, Copy, ValueEnum)]
enum Saving {
    Gates,
    States,
}

impl GradientArguments {
    /// From the command line. The files are not `infer`'s in every point, and so is their help.
    fn read() -> GradientArguments {
        let input = "Input: .safetensors with `input` [T, N, I] and all that `infer` takes beside it, and the \
                     gradients of the loss by the outputs: `grad_output`, `grad_h_n`, for an LSTM `grad_c_n` ...";
        let output = "Result: .safetensors with `grad_input`, `grad_h0`, for an LSTM `grad_c0`, `grad.NAME` for \
                      every tensor of the weights, and the outputs";
        let mut matches = GradientArguments::command()
            .mut_arg("input", |arg| arg.help(input))
            .mut_arg("output", |arg| arg.help(output))
            .get_matches();
        GradientArguments::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit())
    }

    /// The call of an input.
    fn call<'a, T: Float>(&self, input: &'a Input<T>) -> Call<'a, T> {
        let call = input.call().outputs(self.call.outputs());
        match self.dropout {
            Some(p) => call.dropout(Dropout::new(p).seed(self.seed)),
            None => call,
        }
    }
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,wgpu_hal=off")).init();
    ending::run(|_| run(&GradientArguments::read()).map(|()| ExitCode::SUCCESS))
}

fn run(all: &GradientArguments) -> Result<(), Failure> {
    let arguments = &all.call;
    for (name, path) in [("--input", &arguments.input), ("--output", &arguments.output)] {
        if !matches!(Format::of(path)?, Format::Safetensors) {
            return Err(format!("{name} {}: expected .safetensors, found .npy", path.display()).into());
        }
    }
    arguments.check()?;
    if arguments.is_output_a_source() {
        let path = arguments.output.display();
        return Err(format!("--output {path}: expected another file than the weights and the input").into());
    }
    // Gradients have names of the scheme that the weights have.
    let arrays = file::inspect(&arguments.weights, Limits::default())?.arrays;
    let is_gluon = arrays.iter().any(|array| array.name.ends_with("i2h_weight"));
    let naming = if is_gluon { Naming::Gluon } else { Naming::PyTorch };
    let weights = arguments
        .reader()
        .prefix(arguments.prefix.clone())
        .activation(arguments.activation)
        .settings(|config| arguments.apply(config))
        .load(&arguments.weights)?;
    arguments.check_against(weights.config())?;
    let tensors = Tensors::load(&arguments.input)?;
    let engine = match (arguments.dtype, arguments.device) {
        (Dtype::F64, Device::Gpu) => {
            return Err("--dtype f64: expected --device cpu or auto, found gpu".into());
        }
        (Dtype::F64, _) => {
            return finish::<f64>(arguments, weights, naming, &tensors, |weights, input, given| {
                reference::backward(&weights.cast(), &all.call(input), given)
            });
        }
        (_, Device::Gpu) => Engine::gpu()?,
        (_, Device::Cpu) => Engine::cpu(),
        (_, Device::Auto) => Engine::auto(),
    };
    let dtype = if arguments.dtype == Dtype::F16 { wgpu_rnn::Dtype::F16 } else { wgpu_rnn::Dtype::F32 };
    let save = match all.save {
        Saving::Gates => Save::Gates,
        Saving::States => Save::States,
    };
    finish::<f32>(arguments, weights, naming, &tensors, |weights, input, given| {
        let rnn = Rnn::new(&engine, weights.clone()).with_dtype(dtype)?;
        let (output, mut saved) = rnn.forward_saving(&all.call(input), save)?;
        let gradients = rnn.backward(&mut saved, given)?;
        Ok((output, gradients))
    })
}

/// Reads the input and the gradients, computes, and writes the result.
fn finish<T: Float>(
    arguments: &Arguments,
    weights: Weights,
    naming: Naming,
    tensors: &Tensors,
    compute: impl FnOnce(
        &Weights,
        &Input<T>,
        &OutputGradients<'_, T>,
    ) -> wgpu_rnn::Result<(Output<T>, CallGradients<T>)>,
) -> Result<(), Failure> {
    let path = &arguments.input;
    let input: Input<T> = files::read_tensors(path, tensors)?;
    if input.batch_sizes.is_some() && arguments.last_only {
        return Err("--last-only: expected input that is not packed, found packed".into());
    }
    let given = given(arguments, path, tensors, &input)?;
    // Packed sequences, and one alone, come time first.
    let is_unbatched = input.input.ndim() == 2;
    let is_time_first = input.batch_sizes.is_some() || is_unbatched;
    let weights = if is_time_first { weights.layout(Layout::Tnc) } else { weights };
    let mut by_output = OutputGradients::new();
    for (name, gradient) in &given {
        by_output = match name.as_str() {
            "output" => by_output.output(gradient),
            "output_reverse" => by_output.output_reverse(gradient),
            "cell_states" => by_output.cell_states(gradient),
            "h_n" => by_output.h_n(gradient),
            "c_n" => by_output.c_n(gradient),
            lower => by_output.lower(layer_of(lower).expect("the names were checked"), gradient),
        };
    }
    let (output, gradients) = compute(&weights, &input, &by_output)?;

    let mut arrays = files::arrays(&output, &input)?;
    let shape = arrays[0].1.shape().to_vec();
    let engine = output.engine;
    let mut by_input = gradients.input.into_dyn();
    let (mut h, mut c) = (gradients.state.h.into_dyn(), gradients.state.c.map(Array3::into_dyn));
    if let Some(batch_sizes) = &input.batch_sizes {
        by_input = files::packed(by_input.view(), batch_sizes)?;
    }
    if is_unbatched {
        let without = |array: ArrayD<T>| files::without_batch(array.view());
        (by_input, h, c) = (without(by_input), without(h), c.map(without));
    }
    arrays.extend([("grad_input".to_owned(), by_input), ("grad_h0".to_owned(), h)]);
    arrays.extend(c.map(|c| ("grad_c0".to_owned(), c)));
    let by_weights = gradients.weights.tensors(naming);
    arrays.extend(by_weights.map(|(name, gradient)| (format!("grad.{name}"), gradient.to_owned())));
    let count = gradients.weights.tensors(naming).count();
    file::save_tensors(&arguments.output, arrays.iter().map(|(name, array)| (name.clone(), array.view())))?;
    let path = arguments.output.display();
    // The result is a file: a line about it that nobody can read is no error.
    let _ = writeln!(
        std::io::stdout(),
        "{path}: output {shape:?}, gradients by {count} weights, computed on {engine}"
    );
    Ok(())
}

/// The gradients that a file has, by the names of the arrays that they are by, with three axes.
fn given<T: Float>(
    arguments: &Arguments,
    path: &Path,
    tensors: &Tensors,
    input: &Input<T>,
) -> Result<Vec<(String, Array3<T>)>, Failure> {
    let within = |what: String| format!("{}: {what}", path.display());
    let known = ["output", "output_reverse", "cell_states", "h_n", "c_n"];
    let mut given = Vec::new();
    for name in tensors.names().filter(|name| !files::NAMES.contains(name)) {
        let of = name.strip_prefix("grad_").filter(|of| known.contains(of) || layer_of(of).is_some());
        let Some(of) = of else {
            let expected = "grad_output, grad_h_n, grad_c_n, grad_output_reverse, grad_cell_states or grad_output_l0 \
                            ... beside the input";
            return Err(within(format!("expected {expected}, found a tensor named {}", quote(name))).into());
        };
        for (is_asked, what, option) in [
            (arguments.outputs().every_layer, layer_of(of).is_some(), "--every-layer"),
            (arguments.outputs().cell_states, of == "cell_states", "--cell-states"),
        ] {
            if what && !is_asked {
                let name = quote(name);
                return Err(within(format!("expected {option} for the tensor {name}, found none")).into());
            }
        }
        let gradient = tensors.floats::<T>(name)?.expect("a name of the file");
        let is_final = ["h_n", "c_n"].contains(&of);
        let gradient = match &input.batch_sizes {
            Some(batch_sizes) if !is_final => unpacked(gradient, batch_sizes),
            _ if input.input.ndim() == 2 && gradient.ndim() == 2 => Ok(gradient.insert_axis(Axis(1))),
            _ => Ok(gradient),
        };
        let gradient = gradient.map_err(|error| within(format!("{name}: {error}")))?;
        let rank = gradient.ndim();
        let gradient = gradient
            .into_dimensionality::<Ix3>()
            .map_err(|_| within(format!("{name}: expected the shape of {of}, found {rank} axes")))?;
        given.push((of.to_owned(), gradient));
    }
    if given.is_empty() {
        return Err(within("expected a gradient, grad_output or another one, found none".into()).into());
    }
    Ok(given)
}

/// A packed array over time, padded.
fn unpacked<T: Float>(gradient: ArrayD<T>, batch_sizes: &[usize]) -> Result<ArrayD<T>, String> {
    let rank = gradient.ndim();
    let data = gradient
        .into_dimensionality::<Ix2>()
        .map_err(|_| format!("expected 2 axes, [sum of batch_sizes, C], found {rank}"))?;
    let packed = Packed { data, batch_sizes: batch_sizes.to_vec() };
    packed.unpack().map(|(padded, _)| padded.into_dyn()).map_err(|error| error.to_string())
}

/// The layer of a name like output_l0.
fn layer_of(name: &str) -> Option<usize> {
    let digits = name.strip_prefix("output_l")?;
    digits.parse().ok().filter(|layer: &usize| layer.to_string() == digits)
}
