//! Training steps: ms of a step, and of every second batch without and with the update of the parameters,
//! median (fastest); and the share that norm, clipping, optimiser and packing have in a step.
//!
//!     cargo bench --bench trainer [-- cpu] [-- adapter]
//!
//! On the CPU engine, and on the best adapter, a software one too. The head reads the final states, the loss
//! is the cross-entropy of ten classes, the optimiser AdamW with gradients clipped by norm. On the CPU engine
//! the batch after an update packs the new weights.

use std::time::Instant;
use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Targets, Trainer};
use wgpu_rnn::{Call, Config, Engine, Init, Rnn, mxnet};

/// Batches of each kind on the CPU engine, and on an adapter.
const RUNS: [usize; 2] = [40, 15];

fn main() -> wgpu_rnn::Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wanted = |name: &str| asked.is_empty() || asked.iter().any(|word| word == name);
    if wanted("cpu") {
        measure(&Engine::cpu(), RUNS[0])?;
    }
    if wanted("adapter") {
        measure(&Engine::gpu()?, RUNS[1])?;
    }
    Ok(())
}

fn measure(engine: &Engine, runs: usize) -> wgpu_rnn::Result<()> {
    let bi = |config: Config, size: usize| config.bidirectional().input_size(size);
    let shapes = [
        ("BiLSTM 128", bi(Config::lstm(128), 128), 100, 16),
        ("BiLSTM 256", bi(Config::lstm(256), 256), 50, 16),
        ("BiGRU 128", bi(Config::gru(128), 128), 100, 16),
        ("LSTM 512", Config::lstm(512).input_size(512), 50, 32),
    ];
    println!("{}; {runs} batches of each, ms, median (fastest)", engine.name());
    let [network, t, n, step, without, with, share] =
        ["network", "T", "N", "a step", "a batch", "with update", "update"];
    println!("{network:<12} {t:>4} {n:>3} {step:>18} {without:>18} {with:>18} {share:>8}");
    for (name, config, steps, batch) in shapes {
        let size = (steps, batch, config.input_size);
        let [step] = times(engine, &config, size, runs)?;
        let [without, with] = times(engine, &config, size, runs)?;
        let share = 100.0 * (with[0] - without[0]) / with[0];
        let [step, without, with] =
            [step, without, with].map(|[median, fastest]| format!("{median:.2} ({fastest:.2})"));
        println!("{name:<12} {steps:>4} {batch:>3} {step:>18} {without:>18} {with:>18} {share:>7.1}%");
    }
    Ok(())
}

/// The times of batches, the last of every E of which updates the parameters: median and fastest of each.
fn times<const E: usize>(
    engine: &Engine,
    config: &Config,
    size: (usize, usize, usize),
    runs: usize,
) -> wgpu_rnn::Result<[[f64; 2]; E]> {
    let rnn = Rnn::lazy(engine, config, Init::pytorch())?;
    let trainer = Trainer::new(rnn, Head::last_states(10), Loss::cross_entropy(), Optimizer::adamw(1e-3))?;
    let mut trainer = trainer.clip(Clip::norm(1.0))?.accumulate(E)?;
    let input = mxnet::Random::new(1).uniform(-1.0, 1.0, size);
    let targets = Targets::Classes((0..size.1 as i32).map(|n| n % 10).collect());
    let mut times = [const { Vec::new() }; E];
    for run in 0..E * (runs + 2) {
        let start = Instant::now();
        trainer.step(&Call::new(&input), &targets)?;
        wait(engine);
        // The first ones make plans and pack.
        if run >= 2 * E {
            times[run % E].push(1e3 * start.elapsed().as_secs_f64());
        }
    }
    trainer.finish()?;
    Ok(times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        [times[times.len() / 2], times[0]]
    }))
}

/// Waits for the device.
fn wait(engine: &Engine) {
    if let Some(device) = engine.device() {
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the device is there");
    }
}
