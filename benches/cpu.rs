//! The CPU engine by itself: ms a call, median (fastest).
//!
//!     cargo bench --bench cpu

use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Engine, Init, Rnn, Weights, mxnet};

/// Runs of each.
const RUNS: usize = 60;

fn main() -> wgpu_rnn::Result<()> {
    let bilstm = |size: usize| Config::lstm(size).bidirectional().input_size(size);
    let shapes = [
        ("LSTM 256", Config::lstm(256).input_size(256), 25, 1),
        ("LSTM 128", Config::lstm(128).input_size(128), 512, 1),
        ("LSTM 128", Config::lstm(128).input_size(128), 1, 1),
        ("LSTM 256", Config::lstm(256).input_size(256), 1, 1),
        ("BiLSTM 256", bilstm(256).input_size(640), 50, 1),
        ("BiLSTM 256", bilstm(256).input_size(640), 200, 1),
        ("BiLSTM 256", bilstm(256).input_size(640), 500, 1),
        ("BiLSTM 128", bilstm(128), 100, 16),
        ("BiLSTM 256", bilstm(256), 50, 16),
        ("LSTM 512", Config::lstm(512).input_size(512), 50, 32),
        ("BiGRU 128", Config::gru(128).bidirectional().input_size(128), 100, 16),
    ];
    let engine = Engine::cpu();
    println!("{}", engine.name());
    for (name, config, steps, batch) in shapes {
        let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, batch, config.input_size));
        rnn.forward(&input, None)?;
        let mut times: Vec<Duration> = Vec::new();
        for _ in 0..RUNS {
            let start = Instant::now();
            rnn.forward(&input, None)?;
            times.push(start.elapsed());
        }
        times.sort();
        let ms = |time: Duration| time.as_secs_f64() * 1e3;
        println!("{name:<12} T {steps:>3} N {batch:>2} {:>8.3} ({:.3})", ms(times[RUNS / 2]), ms(times[0]));
    }
    Ok(())
}
