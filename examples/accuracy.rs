//! How far the engines are from the reference in double precision: forward, gradients, and activations.
//!
//!     cargo run --release --example accuracy -- --record benches/record

#[path = "common/ending.rs"]
mod ending;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use ndarray::{Array3, ArrayView3};
use rayon::prelude::*;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Dtype, Engine, Error, Init, OutputGradients, Result, Rnn, Weights, file,
    inspect, mxnet, reference,
};

/// Multiply-adds of the reference, at most: of a forward pass, and of one that its tape records.
const FORWARD: f64 = 1e10;
const GRADIENT: f64 = 5e7;

/// Compare the engines with the reference in f64.
///
/// Tables: the largest and the mean error of the output and of the final state, by cell, H, T and type of
/// numbers, of weights from U(-1/sqrt(H), 1/sqrt(H)) (PyTorch's) and inputs from U(-1, 1), N 1; the same of
/// the gradients by input and weights, in parts of the largest of each; and the error of every activation in
/// ulp, over all finite floats, or a sample of them on a GPU.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The folder for the table, accuracy-ADAPTER.txt
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,

    /// The step between the bits of two floats that a GPU's activations are given; the CPU engine's are given
    /// all 2^32
    #[arg(long, default_value_t = 509, value_parser = clap::value_parser!(u32).range(1..))]
    stride: u32,

    /// The same step for the CPU engine
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    cpu_stride: u32,

    /// The most minutes that forward passes take, and gradients; the larger networks are left out then
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,

    /// Only the CPU engine
    #[arg(long)]
    cpu: bool,
}

fn main() -> ExitCode {
    ending::run(|out| {
        let arguments = Arguments::parse();
        let report = run(&arguments)?;
        write!(out, "{report}")?;
        Ok(ExitCode::SUCCESS)
    })
}

fn run(arguments: &Arguments) -> std::result::Result<String, ending::Failure> {
    // Before minutes of work.
    if let Some(folder) = arguments.record.as_ref().filter(|folder| !folder.is_dir()) {
        return Err(format!("--record {}: expected a folder, found none", folder.display()).into());
    }
    let mut engines = vec![Engine::cpu()];
    if !arguments.cpu {
        engines.extend(Engine::gpu().ok());
    }
    let names: Vec<&str> = engines.iter().map(Engine::name).collect();
    let mut report = format!("{}\n\n", names.join("\n"));
    report += &networks(&engines, arguments, Measure::Forward)?;
    report += "\n";
    report += &networks(&engines, arguments, Measure::Gradient)?;
    report += "\n";
    report += &activations(&engines, arguments)?;
    if let Some(folder) = &arguments.record {
        let last = names.last().copied().unwrap_or_default();
        let short: String = last.chars().take_while(|letter| letter.is_alphanumeric()).collect();
        let path = folder.join(format!("accuracy-{}.txt", short.to_lowercase()));
        file::replace(&path, report.as_bytes())?;
    }
    Ok(report)
}

#[derive(Clone, Copy, PartialEq)]
enum Measure {
    Forward,
    Gradient,
}

/// The largest and the mean distance of numbers, in parts of a scale.
#[derive(Clone, Copy, Default)]
struct Distance {
    largest: f64,
    sum: f64,
    count: f64,
}

impl Distance {
    fn add(&mut self, ours: f32, truth: f64, scale: f64) {
        let distance = (f64::from(ours) - truth).abs() / scale;
        self.largest = self.largest.max(distance);
        self.sum += distance;
        self.count += 1.0;
    }

    fn all<'a>(&mut self, ours: impl Iterator<Item = &'a f32>, truth: &[f64], relative: bool) {
        let largest = truth.iter().fold(0.0_f64, |most, number| most.max(number.abs()));
        let scale = if relative && largest > 0.0 { largest } else { 1.0 };
        ours.zip(truth).for_each(|(&ours, &truth)| self.add(ours, truth, scale));
    }

    fn show(self) -> String {
        format!("{:>9.1e} {:>9.1e}", self.largest, self.sum / self.count)
    }
}

fn multiply_adds(cell: Cell, size: usize, steps: usize) -> f64 {
    (cell.gates() * size * 2 * size * steps) as f64
}

fn networks(engines: &[Engine], arguments: &Arguments, measure: Measure) -> Result<String> {
    let (most, title) = match measure {
        Measure::Forward => (FORWARD, "forward: error of output and h_n, largest and mean"),
        Measure::Gradient => {
            (GRADIENT, "gradients by input and weights: error in parts of the largest number")
        }
    };
    let mut sizes = Vec::new();
    for cell in [Cell::Vanilla(Activation::Relu), Cell::Vanilla(Activation::Tanh), Cell::Lstm, Cell::Gru] {
        for size in [16, 64, 256, 1024] {
            for steps in [1, 10, 100, 1000, 10_000] {
                if multiply_adds(cell, size, steps) <= most {
                    sizes.push((cell, size, steps));
                }
            }
        }
    }
    sizes.sort_by(|one, other| {
        multiply_adds(one.0, one.1, one.2).total_cmp(&multiply_adds(other.0, other.1, other.2))
    });
    let mut lines = Vec::new();
    let bar = bar(sizes.len() as u64, title);
    let start = Instant::now();
    let mut left_out = 0;
    for (cell, size, steps) in sizes {
        bar.inc(1);
        if start.elapsed() > Duration::from_secs(60 * arguments.minutes) {
            left_out += 1;
            continue;
        }
        let weights = Weights::init(&Config::new(cell, size).input_size(size), &Init::pytorch().seed(3))?;
        let input = mxnet::Random::new(4).uniform(-1.0, 1.0, (steps, 1, size));
        let mut columns = Vec::new();
        match measure {
            Measure::Forward => {
                let truth = reference::forward(&weights.cast::<f64>(), &input.mapv(f64::from), None)?;
                for rnn in rnns(engines, &weights)? {
                    let ours = rnn.forward(&input, None)?;
                    let mut distance = Distance::default();
                    distance.all(ours.output.iter(), &numbers(truth.output.view()), false);
                    distance.all(ours.h_n.iter(), &numbers(truth.h_n.view()), false);
                    columns.push(distance.show());
                }
            }
            Measure::Gradient => {
                let by_output = mxnet::Random::new(5).uniform(-1.0, 1.0, (steps, 1, size));
                let double = by_output.mapv(f64::from);
                let given = OutputGradients::new().output(&double);
                let input_f64 = input.mapv(f64::from);
                let truth = reference::backward(&weights.cast(), &Call::new(&input_f64), &given)?.1;
                for rnn in rnns(engines, &weights)? {
                    let (_, mut saved) = rnn.forward_saved(&Call::new(&input))?;
                    let ours = rnn.backward(&mut saved, &OutputGradients::new().output(&by_output))?;
                    let mut distance = Distance::default();
                    distance.all(ours.input.iter(), &numbers(truth.input.view()), true);
                    distance.all(ours.weights.as_slice().iter(), truth.weights.as_slice(), true);
                    columns.push(distance.show());
                }
            }
        }
        lines.push((cell.name(), size, steps, columns));
    }
    bar.finish_and_clear();
    lines.sort_by_key(|&(cell, size, steps, _)| (cell, size, steps));
    let mut heads = Vec::new();
    for engine in engines {
        let name: String = engine.name().chars().take_while(|letter| letter.is_alphanumeric()).collect();
        heads.push(format!("{name} f32"));
        if engine.limits().is_some_and(|limits| limits.f16) {
            heads.push(format!("{name} f16"));
        }
    }
    let heads = heads.iter().map(|head| format!("{head:>19}")).collect::<Vec<_>>().join("  ");
    let mut text = format!("{title}\n{:<9} {:>5} {:>6}  {heads}\n", "cell", "H", "T");
    for (cell, size, steps, columns) in lines {
        text += &format!("{cell:<9} {size:>5} {steps:>6}  {}\n", columns.join("  "));
    }
    if left_out > 0 {
        text += &format!("{left_out} larger ones were left out, for time\n");
    }
    Ok(text)
}

/// A network on every engine, with every type that its numbers can be stored as there.
fn rnns(engines: &[Engine], weights: &Weights) -> Result<Vec<Rnn>> {
    let mut rnns = Vec::new();
    for (engine, dtype) in engines.iter().flat_map(|engine| [(engine, Dtype::F32), (engine, Dtype::F16)]) {
        match Rnn::new(engine, weights.clone()).with_dtype(dtype) {
            Err(Error::Unsupported { .. }) => {}
            rnn => rnns.push(rnn?),
        }
    }
    Ok(rnns)
}

fn numbers(array: ArrayView3<'_, f64>) -> Vec<f64> {
    array.iter().copied().collect()
}

/// Arguments of an activation at once: one step of so many rows.
const ROWS: usize = 1 << 16;

/// The distance of each activation from the truth, in units of the last place of the truth as an f32: by a
/// vanilla RNN of one unit whose pre-activation is its input.
fn activations(engines: &[Engine], arguments: &Arguments) -> Result<String> {
    let (cpu_stride, stride) = (arguments.cpu_stride, arguments.stride);
    let count = |stride: u32| match stride {
        1 => "all 2^32 floats".to_owned(),
        stride => format!("{} of the floats", u64::from(u32::MAX / stride) + 1),
    };
    let mut text = format!(
        "activations: error in ulp, largest (its argument) and mean; the CPU engine over {},\n\
         a GPU over {}; results below the smallest normal float count as right if\n\
         they are off by no more than that\n",
        count(cpu_stride),
        count(stride)
    );
    let heads = engines.iter().map(|engine| {
        let name: String = engine.name().chars().take_while(|letter| letter.is_alphanumeric()).collect();
        format!("{name:>36}")
    });
    text += &format!("{:<24} {}\n", "activation", heads.collect::<Vec<_>>().join("  "));
    let bar = bar((Activation::ALL.len() * engines.len()) as u64 * PARTS, "activations");
    for activation in Activation::ALL {
        let mut columns = Vec::new();
        for engine in engines {
            let errors = match engine.is_gpu() {
                true => of_gpu(engine, activation, stride, &bar)?,
                false => of_cpu(activation, cpu_stride, &bar),
            };
            let Errors { worst, at, sum, seen } = errors;
            columns.push(format!("{worst:>10.3} ({at:>14.7e}) {:>7.3}", sum / seen));
        }
        text += &format!("{:<24} {}\n", activation.to_string(), columns.join("  "));
    }
    bar.finish_and_clear();
    Ok(text)
}

/// Parts of all floats that a thread is given, and that the bar counts.
const PARTS: u64 = 256;

/// The errors of an activation over some floats, in ulp.
#[derive(Clone, Copy, Default)]
struct Errors {
    worst: f64,
    at: f32,
    sum: f64,
    seen: f64,
}

impl Errors {
    fn add(&mut self, x: f32, ours: f32, truth: f64) {
        let off = ulps(ours, truth);
        if off > self.worst {
            (self.worst, self.at) = (off, x);
        }
        self.sum += off;
        self.seen += 1.0;
    }

    fn and(self, other: Errors) -> Errors {
        let larger = if other.worst > self.worst { other } else { self };
        Errors { sum: self.sum + other.sum, seen: self.seen + other.seen, ..larger }
    }
}

/// Finite floats of a part, by the step between their bits.
fn floats(part: u64, stride: u32) -> impl Iterator<Item = f32> {
    let length = (1 << 32) / PARTS;
    let first = (part * length).next_multiple_of(u64::from(stride));
    let bits = (first..(part + 1) * length).step_by(stride as usize);
    bits.map(|bits| f32::from_bits(bits as u32)).filter(|x| x.is_finite())
}

/// The CPU engine's vectors, on all threads.
fn of_cpu(activation: Activation, stride: u32, bar: &ProgressBar) -> Errors {
    let of_part = |part: u64| {
        let (mut errors, mut floats) = (Errors::default(), floats(part, stride).peekable());
        while floats.peek().is_some() {
            let mut inputs: Vec<f32> = floats.by_ref().take(ROWS).collect();
            let count = inputs.len();
            inputs.resize(count.next_multiple_of(16), 0.0);
            let mut ours = inputs.clone();
            inspect::activate_on_cpu(activation, &mut ours);
            for (&x, &ours) in inputs.iter().zip(&ours).take(count) {
                errors.add(x, ours, inspect::activate_in_f64(activation, f64::from(x)));
            }
        }
        bar.inc(1);
        errors
    };
    (0..PARTS).into_par_iter().map(of_part).reduce(Errors::default, Errors::and)
}

/// A vanilla RNN of one unit and the weight 1.
fn of_gpu(engine: &Engine, activation: Activation, stride: u32, bar: &ProgressBar) -> Result<Errors> {
    let config = Config::new(Cell::Vanilla(activation), 1).without_bias().input_size(1);
    let one = ndarray::arr2(&[[1.0_f32]]).into_dyn();
    let zero = ndarray::arr2(&[[0.0_f32]]).into_dyn();
    let tensors = [("weight_ih_l0", one), ("weight_hh_l0", zero)];
    let tensors = tensors.map(|(name, tensor)| (name.to_owned(), tensor));
    let rnn = Rnn::new(engine, Weights::reader().config(&config).from_tensors(tensors)?);
    let mut errors = Errors::default();
    let mut all = (0..PARTS).flat_map(|part| floats(part, stride)).peekable();
    let calls = (u64::from(u32::MAX / stride) / ROWS as u64).max(1);
    let mut call = 0;
    while all.peek().is_some() {
        let some: Vec<f32> = all.by_ref().take(ROWS).collect();
        let input = Array3::from_shape_vec((1, some.len(), 1), some).expect("as many numbers");
        let ours = rnn.forward(&input, None)?.output;
        for (&ours, &x) in ours.iter().zip(&input) {
            errors.add(x, ours, inspect::activate_in_f64(activation, f64::from(x)));
        }
        let before = (call * PARTS / calls).min(PARTS);
        call += 1;
        bar.inc((call * PARTS / calls).min(PARTS) - before);
    }
    bar.inc(PARTS - (call * PARTS / calls).min(PARTS));
    Ok(errors)
}

/// The smallest normal f32.
const SMALLEST: f64 = f32::MIN_POSITIVE as f64;

/// The distance in units of the last place that the truth has as an f32; a number that is too large for f32
/// is infinite.
fn ulps(ours: f32, truth: f64) -> f64 {
    let rounded = truth as f32;
    if ours == rounded || (ours.is_nan() && truth.is_nan()) {
        // Rounded right, at most half a unit off.
        let ulp = unit(rounded);
        return if rounded.is_finite() { ((f64::from(ours) - truth) / ulp).abs() } else { 0.0 };
    }
    if !rounded.is_finite() {
        return f64::INFINITY;
    }
    // WGSL lets a device take numbers below the smallest normal one for zero.
    let flushed = if truth.abs() < SMALLEST { SMALLEST } else { 0.0 };
    ((f64::from(ours) - truth).abs() - flushed).max(0.0) / unit(rounded)
}

/// The distance from a number to the next larger one in size.
fn unit(number: f32) -> f64 {
    let number = number.abs().min(f32::from_bits(f32::MAX.to_bits() - 1));
    f64::from(f32::from_bits(number.to_bits() + 1)) - f64::from(number)
}

fn bar(length: u64, message: &str) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}");
    ProgressBar::new(length).with_style(style.expect("a template")).with_message(message.to_owned())
}
