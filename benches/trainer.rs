//! Training steps: ms of a batch with and without the update of the parameters, median (fastest); and the share
//! that norm, clipping, optimiser and packing have in a step.
//!
//!     cargo bench --bench trainer [-- cpu] [-- adapter]
//!
//! On the CPU engine, and on the best adapter, a software one too. Every second batch updates. The head reads the
//! final states, the loss is the cross-entropy of ten classes, the optimiser AdamW with gradients clipped by norm.

use std::time::{Duration, Instant};
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
    let [network, t, n, without, with, share] = ["network", "T", "N", "a batch", "with update", "update"];
    println!("{network:<12} {t:>4} {n:>3} {without:>18} {with:>18} {share:>8}");
    for (name, config, steps, batch) in shapes {
        let rnn = Rnn::lazy(engine, &config, Init::pytorch())?;
        let trainer =
            Trainer::new(rnn, Head::last_states(10), Loss::cross_entropy(), Optimizer::adamw(1e-3))?;
        let mut trainer = trainer.clip(Clip::norm(1.0))?.accumulate(2)?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, batch, config.input_size));
        let targets = Targets::Classes((0..batch as i32).map(|n| n % 10).collect());
        let mut times: [Vec<Duration>; 2] = Default::default();
        for run in 0..2 * runs + 4 {
            let start = Instant::now();
            trainer.step(&Call::new(&input), &targets)?;
            wait(engine);
            // The first ones make plans and pack.
            if run >= 4 {
                times[run % 2].push(start.elapsed());
            }
        }
        trainer.finish()?;
        let [without, with] = times.map(|mut times| {
            times.sort();
            [times[times.len() / 2], times[0]].map(|time| 1e3 * time.as_secs_f64())
        });
        let share = 100.0 * (with[0] - without[0]) / with[0];
        let shown = |[median, fastest]: [f64; 2]| format!("{median:.2} ({fastest:.2})");
        println!("{name:<12} {steps:>4} {batch:>3} {:>18} {:>18} {share:>7.1}%", shown(without), shown(with));
    }
    Ok(())
}

/// Waits for the device.
fn wait(engine: &Engine) {
    if let Some(device) = engine.device() {
        device.poll(wgpu::PollType::wait_indefinitely()).expect("the device is there");
    }
}
