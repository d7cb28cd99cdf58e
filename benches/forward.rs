//! One forward call of the sizes that matter, on the adapter and on the CPU reference.
//!
//!     cargo bench --bench forward
//!
//! Every shape is compared with the reference in double precision before it is timed. `prepared` is a call of a layer that
//! has run this shape before; `oneshot` also makes its buffers, bind groups and weights anew.

use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Engine, Init, Layer, Plan, Weights, cpu, mxnet};

/// Name, network, T and N.
fn shapes() -> [(&'static str, Config, usize, usize); 4] {
    [
        ("BiLSTM 128", Config::lstm(128).bidirectional().input_size(128), 100, 16),
        ("BiGRU 128", Config::gru(128).bidirectional().input_size(128), 100, 16),
        ("LSTM 256", Config::lstm(256).input_size(256), 25, 1),
        ("2x BiRNN 64", Config::rnn_tanh(64).num_layers(2).bidirectional().input_size(64), 50, 8),
    ]
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    env_logger::init();
    let engine = Engine::gpu()?;
    println!("adapter: {}; wgpu 30; times in ms, median (fastest)", engine.name());
    println!(
        "{:<12} {:>4} {:>3} {:>16} {:>16} {:>9} {:>9} {:>11} {:>16} {:>9}",
        "network",
        "T",
        "N",
        "prepared",
        "oneshot",
        "GFLOP/s",
        "us/step",
        "dispatches",
        "CPU reference",
        "GFLOP/s"
    );
    for (name, config, steps, batch) in shapes() {
        let weights = Weights::init(&config, &Init::pytorch())?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, batch, config.input_size));
        let mut layer = Layer::new(&engine, weights.clone());
        verify(&mut layer, &weights, &input)?;
        let prepared = time(40, || layer.forward(&input, None).map(drop))?;
        let oneshot = time(5, || Layer::new(&engine, weights.clone()).forward(&input, None).map(drop))?;
        let reference = time(3, || cpu::forward(&weights, &input, None).map(drop))?;

        let plan = Plan::new(&config, steps, batch, &engine.limits().unwrap_or_default())?;
        let gflops = |time: &Times| plan.flops() as f64 / time.median.as_secs_f64() / 1e9;
        println!(
            "{name:<12} {steps:>4} {batch:>3} {:>16} {:>16} {:>9.2} {:>9.1} {:>11} {:>16} {:>9.2}",
            prepared.show(),
            oneshot.show(),
            gflops(&prepared),
            prepared.median.as_secs_f64() * 1e6 / steps as f64,
            plan.dispatches(),
            reference.show(),
            gflops(&reference),
        );
    }
    Ok(())
}

/// A result that is wrong is not worth timing.
fn verify(
    layer: &mut Layer,
    weights: &Weights,
    input: &ndarray::Array3<f32>,
) -> Result<(), Box<dyn std::error::Error>> {
    let ours = layer.forward(input, None)?.output;
    let theirs = cpu::forward(&weights.cast::<f64>(), &input.mapv(f64::from), None)?.output;
    let worst =
        ours.iter().zip(&theirs).map(|(&a, &b)| (f64::from(a) - b).abs()).fold(0.0, |worst: f64, error| {
            // A NaN is the worst of all.
            if error <= worst { worst } else { error }
        });
    if worst <= 1e-5 { Ok(()) } else { Err(format!("off by {worst:e} from the reference").into()) }
}

struct Times {
    median: Duration,
    fastest: Duration,
}

impl Times {
    fn show(&self) -> String {
        format!("{:.1} ({:.1})", self.median.as_secs_f64() * 1e3, self.fastest.as_secs_f64() * 1e3)
    }
}

fn time(repeats: usize, mut call: impl FnMut() -> wgpu_rnn::Result<()>) -> wgpu_rnn::Result<Times> {
    call()?;
    let mut times = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        call()?;
        times.push(start.elapsed());
    }
    times.sort();
    Ok(Times { median: times[times.len() / 2], fastest: times[0] })
}
