//! How long one step of live streams takes, call by call.
//!
//!     cargo bench --bench stream
//!
//! Every network is called on the adapter and on the CPU engine in turn, a step at a time; what comes out is
//! compared with a call over all steps on the reference first.

use ndarray::{Array2, Axis, s};
use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Engine, Init, Rnn, Stream, Streams, Weights, mxnet, reference};

type Failure = Box<dyn std::error::Error>;

/// Calls of each.
const CALLS: usize = 2_000;

/// Steps that are compared.
const COMPARED: usize = 20;

/// A network on one engine, with its streams.
struct Contender {
    by: &'static str,
    streams: Streams,
    all: Vec<Stream>,
    times: Vec<Duration>,
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    let gpu = Engine::gpu()?;
    println!("adapter: {}; {CALLS} calls in turn, one step each, us", gpu.name());
    println!("{:<10} {:>7} {:<9} {:>9} {:>9} {:>9}", "network", "streams", "by", "median", "p99", "worst");
    for (name, config, count) in [
        ("GRU 64", Config::gru(64).input_size(16), 1),
        ("LSTM 128", Config::lstm(128).input_size(64), 1),
        ("LSTM 256", Config::lstm(256).input_size(256), 1),
        ("LSTM 128", Config::lstm(128).input_size(64), 16),
    ] {
        let weights = Weights::init(&config, &Init::pytorch())?;
        let input = mxnet::Random::new(3).uniform(-1.0, 1.0, (COMPARED, count, config.input_size));
        let truth = reference::forward(&weights, &input, None)?.output;
        let mut contenders = Vec::new();
        for (by, engine) in [("adapter", gpu.clone()), ("cpu", Engine::cpu())] {
            let mut streams = Streams::new(Rnn::new(&engine, weights.clone()), count)?;
            let all = (0..count).map(|_| streams.join()).collect::<Result<Vec<_>, _>>()?;
            for step in 0..COMPARED {
                let steps = |row: usize| input.slice(s![step..=step, row, ..]);
                let called: Vec<_> =
                    all.iter().enumerate().map(|(row, &stream)| (stream, steps(row))).collect();
                for (row, output) in streams.call(&called)?.iter().enumerate() {
                    let off = (&output.row(0) - &truth.slice(s![step, row, ..])).mapv(f32::abs);
                    // A NaN is not small either.
                    if !off.iter().all(|&off| off < 1e-5) {
                        return Err(format!("{name}, {by}: wrong at step {step}").into());
                    }
                }
            }
            contenders.push(Contender { by, streams, all, times: Vec::new() });
        }
        let step: Array2<f32> = input.index_axis(Axis(1), 0).slice(s![..1, ..]).to_owned();
        for _ in 0..CALLS {
            for Contender { streams, all, times, .. } in &mut contenders {
                let called: Vec<_> = all.iter().map(|&stream| (stream, step.view())).collect();
                let start = Instant::now();
                streams.call(&called)?;
                times.push(start.elapsed());
            }
        }
        for Contender { by, mut times, .. } in contenders {
            times.sort();
            let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize].as_secs_f64() * 1e6;
            println!("{name:<10} {count:>7} {by:<9} {:>9.1} {:>9.1} {:>9.1}", at(0.5), at(0.99), at(1.0));
        }
    }
    Ok(())
}
