//! Forward and backward: ms, median (fastest); how much longer the backward pass takes; and both where the call
//! keeps states alone, in turn with the others. Of the CPU engine also the multiply-adds in a second, and their
//! share of the most that this machine can do: registers times registers on all threads, measured before each
//! network.
//!
//!     cargo bench --bench train [-- cpu] [-- adapter] [-- "LSTM 512"]
//!
//! On the CPU engine, and on the best adapter, a software one too; all networks, or those that are named.

use pulp::{Arch, Simd, WithSimd};
use std::hint::black_box;
use std::time::{Duration, Instant};
use wgpu_rnn::{Call, Config, Directions, Engine, Init, OutputGradients, Rnn, Save, Weights, mxnet};

/// Runs of each on the CPU engine, and on an adapter.
const RUNS: [usize; 2] = [40, 12];

fn main() -> wgpu_rnn::Result<()> {
    let asked: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let (engines, names): (Vec<String>, Vec<String>) =
        asked.into_iter().partition(|word| ["cpu", "adapter"].contains(&word.as_str()));
    let wanted = |name: &str| engines.is_empty() || engines.iter().any(|word| word == name);
    if wanted("cpu") {
        measure(&Engine::cpu(), RUNS[0], &names)?;
    }
    if wanted("adapter") {
        measure(&Engine::gpu()?, RUNS[1], &names)?;
    }
    Ok(())
}

fn measure(engine: &Engine, runs: usize, names: &[String]) -> wgpu_rnn::Result<()> {
    let bilstm = |size: usize| Config::lstm(size).bidirectional().input_size(size);
    let shapes = [
        ("BiLSTM 128", bilstm(128), 100, 16),
        ("BiLSTM 256", bilstm(256), 50, 16),
        ("BiGRU 128", Config::gru(128).bidirectional().input_size(128), 100, 16),
        ("LSTM 512", Config::lstm(512).input_size(512), 50, 32),
        ("LSTM 64", Config::lstm(64).input_size(64), 200, 1),
    ];
    println!("{}; {runs} runs, ms, median (fastest)", engine.name());
    println!(
        "{:<12} {:>4} {:>3} {:>18} {:>18} {:>18} {:>8} {:>18} {:>6}{}",
        "network",
        "T",
        "N",
        "forward, saved",
        "backward",
        "both",
        "ratio",
        "both, states",
        "more",
        if engine.is_gpu() { "" } else { "  10^9 multiply-adds/s, of at most" }
    );
    for (name, config, steps, batch) in shapes {
        if !names.is_empty() && !names.iter().any(|asked| asked == name) {
            continue;
        }
        let peak = if engine.is_gpu() { 0.0 } else { peak() };
        let rnn = Rnn::new(engine, Weights::init(&config, &Init::pytorch())?);
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, batch, config.input_size));
        let call = Call::new(&input);
        let (answer, _) = rnn.forward_saved(&call)?;
        let by_output = mxnet::Random::new(2).uniform(-1.0, 1.0, answer.output.dim());
        let given = OutputGradients::new().output(&by_output);
        let mut times: [Vec<Duration>; 4] = Default::default();
        for run in 0..=runs {
            let start = Instant::now();
            let (_, mut saved) = rnn.forward_saved(&call)?;
            let forward = start.elapsed();
            rnn.backward(&mut saved, &given)?;
            let both = start.elapsed();
            let start = Instant::now();
            let (_, mut saved) = rnn.forward_saving(&call, Save::States)?;
            rnn.backward(&mut saved, &given)?;
            let states = start.elapsed();
            // The first packs the weights.
            if run > 0 {
                let run = [forward, both - forward, both, states];
                times.iter_mut().zip(run).for_each(|(times, time)| times.push(time));
            }
        }
        let medians = times.map(|mut times| {
            times.sort();
            [times[runs / 2], times[0]].map(|time| time.as_secs_f64() * 1e3)
        });
        let [forward, backward, both, states] =
            medians.map(|[median, fastest]| format!("{median:.2} ({fastest:.2})"));
        let ratio = medians[1][0] / medians[0][0];
        let more = 100.0 * (medians[3][0] / medians[2][0] - 1.0);
        let share = match engine.is_gpu() {
            true => String::new(),
            false => {
                let directions = if config.directions == Directions::Both { 2 } else { 1 };
                let row = config.cell.gates() * config.hidden_size * (config.input_size + config.hidden_size);
                // The forward pass, and the gradients by each factor of its products.
                let count = (3 * directions * steps * batch * row) as f64;
                let rate = count / (medians[2][0] * 1e6);
                format!("  {rate:>6.1} of {peak:.1}, {:.0}%", 100.0 * rate / peak)
            }
        };
        println!(
            "{name:<12} {steps:>4} {batch:>3} {forward:>18} {backward:>18} {both:>18} {ratio:>8.2} {states:>18} {more:>5.0}%{share}"
        );
    }
    Ok(())
}

/// The most multiply-adds that all threads do in a second, in 10^9: the best of some tries.
fn peak() -> f64 {
    const TRIES: usize = 7;
    let tries = (0..TRIES).map(|_| {
        let counts = rayon::broadcast(|_| {
            let start = Instant::now();
            (Arch::new().dispatch(MultiplyAdds), start.elapsed().as_secs_f64())
        });
        counts.iter().map(|(count, seconds)| count / seconds).sum::<f64>() / 1e9
    });
    tries.fold(0.0, f64::max)
}

/// Independent sums, as many as hide the latency of a multiply-add and fit into registers. The output is the number
/// of multiply-adds.
struct MultiplyAdds;

impl WithSimd for MultiplyAdds {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        // 32 registers, or 16 of AVX2.
        if S::F32_LANES == 16 { multiply_adds::<S, 24>(simd) } else { multiply_adds::<S, 12>(simd) }
    }
}

#[inline(always)]
fn multiply_adds<S: Simd, const SUMS: usize>(simd: S) -> f64 {
    const TURNS: usize = 1 << 22;
    let (x, y) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
    let mut sums = [simd.splat_f32s(1.0); SUMS];
    for _ in 0..TURNS {
        for sum in &mut sums {
            *sum = simd.mul_add_e_f32s(x, *sum, y);
        }
    }
    black_box(sums);
    (TURNS * SUMS * S::F32_LANES) as f64
}
