//! Loading 1 GB of weights, and looking at the file.
//!
//!     cargo bench --bench formats -- MODEL.pt
//!
//! An LSTM of f32 is written as safetensors, `.params` and `.npz`. More files, as a checkpoint that
//! `torch.save` has made, are arguments. `memcpy` is a copy of as many bytes into fresh memory. `memory` is
//! the most memory that a load has at a time, by allocations. Files are in the page cache.

use allocation_counter::measure;
use std::path::Path;
use std::time::{Duration, Instant};
use wgpu_rnn::file::{self, Format, Limits};
use wgpu_rnn::{Config, Init, Naming, Weights};

type Failure = Box<dyn std::error::Error>;

/// Loads of each file, of which the fastest is told: the machine has other work.
const RUNS: usize = 5;

/// Units and layers: 1.07 GB with the default.
const HIDDEN: usize = 2048;
const LAYERS: usize = 8;

fn main() -> Result<(), Failure> {
    env_logger::init();
    let folder = tempfile::tempdir()?;
    let config = Config::lstm(HIDDEN).num_layers(LAYERS).input_size(HIDDEN);
    let weights = Weights::init(&config, &Init::uniform(0.1))?;
    let numbers: usize = weights.tensors(Naming::PyTorch).map(|(_, tensor)| tensor.len()).sum();
    let bytes = numbers * 4;
    let mut paths = Vec::new();
    for (name, format) in [
        ("model.safetensors", Format::Safetensors(Naming::PyTorch)),
        ("model.params", Format::Params),
        ("model.npz", Format::Npz(Naming::PyTorch)),
    ] {
        let path = folder.path().join(name);
        weights.save(&path, format)?;
        paths.push(path);
    }
    drop(weights);
    // Files of another program, if they are given.
    paths.extend(std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).map(Into::into));

    let source = vec![1_u8; bytes];
    println!("{:.2} GB of f32", bytes as f64 / 1e9);
    println!(
        "{:<20} {:>8} {:>8} {:>8} {:>12} {:>14}",
        "file", "memcpy", "load", "/memcpy", "memory/file", "inspect"
    );
    for path in &paths {
        show(path, &source)?;
    }
    Ok(())
}

fn show(path: &Path, source: &[u8]) -> Result<(), Failure> {
    let (mut memcpy, mut load, mut inspect) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..RUNS {
        memcpy = memcpy.min(timed(|| {
            let mut copy = Vec::with_capacity(source.len());
            copy.extend_from_slice(source);
            std::hint::black_box(copy);
            Ok(())
        })?);
        load = load.min(timed(|| {
            std::hint::black_box(Weights::load(path)?);
            Ok(())
        })?);
        inspect = inspect.min(timed(|| {
            file::inspect(path, Limits::default())?;
            Ok(())
        })?);
    }
    let memory = measure(|| drop(Weights::load(path))).bytes_max;
    let len = std::fs::metadata(path)?.len();
    println!(
        "{:<20} {:>8} {:>8} {:>8.2} {:>12.2} {:>11.2} ms",
        path.file_name().unwrap_or_default().to_string_lossy(),
        seconds(memcpy),
        seconds(load),
        load.as_secs_f64() / memcpy.as_secs_f64(),
        memory as f64 / len as f64,
        inspect.as_secs_f64() * 1e3
    );
    Ok(())
}

fn timed(run: impl FnOnce() -> Result<(), Failure>) -> Result<Duration, Failure> {
    let begun = Instant::now();
    run()?;
    Ok(begun.elapsed())
}

fn seconds(time: Duration) -> String {
    format!("{:.3} s", time.as_secs_f64())
}
