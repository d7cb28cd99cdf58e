//! One forward call of the sizes that matter, on the adapter and on the CPU.
//!
//!     cargo bench --bench forward
//!
//! Every contender's result is compared with the reference in double precision before it is timed, and all of
//! one size run in turn: the schedule that the plan chooses (`best`), the others by name, the best on an
//! engine without wgpu's checks (`unchecked`), numbers stored as f16 (`f16`), the CPU engine (`cpu`), and
//! `oneshot`, which makes buffers, bind groups and weights anew. All others are prepared: they have been
//! called before. GB/s are the bytes that the plan's kernels read and write at least.

use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Dtype, Engine, Init, Plan, Rnn, Schedule, Weights, Workload, mxnet, reference};

/// Runs of each.
const RUNS: usize = 40;

type Failure = Box<dyn std::error::Error>;

/// Name, network, T and N.
fn shapes() -> [(&'static str, Config, usize, usize); 6] {
    let bilstm = |size: usize| Config::lstm(size).bidirectional().input_size(size);
    [
        ("BiLSTM 128", bilstm(128), 100, 16),
        ("BiLSTM 256", bilstm(256), 50, 16),
        ("BiGRU 128", Config::gru(128).bidirectional().input_size(128), 100, 16),
        ("LSTM 256", Config::lstm(256).input_size(256), 25, 1),
        ("LSTM 512", Config::lstm(512).input_size(512), 50, 32),
        ("2x BiRNN 64", Config::rnn_tanh(64).num_layers(2).bidirectional().input_size(64), 50, 8),
    ]
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    let engine = Engine::gpu()?;
    let unchecked = Engine::builder().unchecked().build()?;
    println!("adapter: {}; wgpu 30; {RUNS} runs in turn, ms, median (fastest)", engine.name());
    println!(
        "{:<12} {:>4} {:>3} {:<9} {:>16} {:>9} {:>7} {:>9} {:>11} {:>8}",
        "network", "T", "N", "by", "ms", "GFLOP/s", "GB/s", "us/step", "dispatches", "submits"
    );
    for (name, config, steps, batch) in shapes() {
        let weights = Weights::init(&config, &Init::pytorch())?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, batch, config.input_size));
        let truth = reference::forward(&weights.cast::<f64>(), &input.mapv(f64::from), None)?.output;
        let prepared = |engine: &Engine, schedule: Option<Schedule>, dtype: Dtype| {
            let rnn = Rnn::new(engine, weights.clone()).with_tuning(schedule)?.with_dtype(dtype)?;
            let input = input.clone();
            Ok::<_, Failure>(Box::new(move || Ok(rnn.forward(&input, None)?.output)) as Call<'_>)
        };
        let plan = Plan::new(&config, steps, batch, &engine.limits().unwrap_or_default())?;
        let moved = plan
            .passes()
            .map(|pass| pass.steps() * pass.dispatches.iter().map(|dispatch| dispatch.bytes).sum::<u64>());
        let bytes: u64 = moved.sum();
        let mut contenders = vec![("best", RUNS, prepared(&engine, None, Dtype::F32)?)];
        for schedule in Schedule::ALL.into_iter().filter(|&schedule| schedule != plan.schedule) {
            let workload = Workload { tuning: schedule.into(), ..Workload::new(steps, batch) };
            if Plan::of(&config, &workload, &engine.limits().unwrap_or_default()).is_ok() {
                contenders.push((schedule.name(), RUNS, prepared(&engine, Some(schedule), Dtype::F32)?));
            }
        }
        contenders.push(("unchecked", RUNS, prepared(&unchecked, None, Dtype::F32)?));
        if engine.limits().is_some_and(|limits| limits.f16) {
            contenders.push(("f16", RUNS, prepared(&engine, None, Dtype::F16)?));
        }
        contenders.push(("cpu", RUNS, prepared(&Engine::cpu(), None, Dtype::F32)?));
        let oneshot = || Ok(Rnn::new(&engine, weights.clone()).forward(&input, None)?.output);
        contenders.push(("oneshot", 5, Box::new(oneshot)));
        contenders.push((
            "reference",
            2,
            Box::new(|| Ok(reference::forward(&weights, &input, None)?.output)),
        ));
        for (by, _, call) in &mut contenders {
            // Numbers of 11 bits, at every step.
            let bound = if *by == "f16" { 4e-3 } else { 1e-5 };
            verify(&call()?, &truth, bound).map_err(|error| format!("{name}, {by}: {error}"))?;
        }
        let mut times = vec![Vec::new(); contenders.len()];
        for run in 0..RUNS {
            for ((_, runs, call), times) in contenders.iter_mut().zip(&mut times) {
                if run < *runs {
                    let start = Instant::now();
                    call()?;
                    times.push(start.elapsed());
                }
            }
        }
        for ((by, ..), mut times) in contenders.into_iter().zip(times) {
            times.sort();
            let ms = |time: Duration| time.as_secs_f64() * 1e3;
            let (median, fastest) = (ms(times[times.len() / 2]), ms(times[0]));
            let (dispatches, submits) = match by {
                "best" | "unchecked" => {
                    (plan.dispatches().to_string(), plan.forward.submits.len().to_string())
                }
                _ => Default::default(),
            };
            println!(
                "{name:<12} {steps:>4} {batch:>3} {by:<9} {:>16} {:>9.2} {:>7.2} {:>9.1} {dispatches:>11} {submits:>8}",
                format!("{median:.1} ({fastest:.1})"),
                plan.flops() as f64 / median / 1e6,
                bytes as f64 / median / 1e6,
                median * 1e3 / steps as f64,
            );
        }
    }
    Ok(())
}

type Call<'a> = Box<dyn FnMut() -> wgpu_rnn::Result<ndarray::Array3<f32>> + 'a>;

/// A result that is wrong is not worth timing.
fn verify(ours: &ndarray::Array3<f32>, truth: &ndarray::Array3<f64>, bound: f64) -> Result<(), Failure> {
    let distances = ours.iter().zip(truth).map(|(&a, &b)| (f64::from(a) - b).abs());
    let worst = distances.fold(0.0, |worst: f64, error| {
        // A NaN is the worst of all.
        if error <= worst { worst } else { error }
    });
    if worst <= bound { Ok(()) } else { Err(format!("off by {worst:e} from the reference").into()) }
}
