//! The host's time for a dispatch: all that the library and wgpu do between a call's input and its last
//! submit.
//!
//!     cargo bench --bench host
//!
//! Two measures. `noop` is a whole call on wgpu's back end that computes nothing, so that no GPU is waited
//! for: wgpu's own work, without a driver's. On the adapter an async call is polled once, which is as far as
//! it goes without waiting: with the driver's work. A network of four units has so few numbers that a step
//! costs what its commands cost, and the time of a dispatch is what many steps take longer than one, by the
//! dispatches that they are more.
//!
//! `encode` is the same on a caller's encoder and buffers, from `Rnn::encode` to the finished command buffer,
//! without a submit.

use ndarray::Array3;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wgpu_rnn::{BufferArray, Buffers, Config, Engine, Init, Plan, Rnn, Schedule, Weights, Workload};

/// Calls of each, of which median and fastest are told: the adapter of a machine without a GPU works on the
/// host's own cores, and takes the time of the thread that has given it work.
const RUNS: usize = 301;

type Failure = Box<dyn std::error::Error>;

/// As much as fits into one submit.
const STEPS: usize = 128;

fn main() -> Result<(), Failure> {
    env_logger::init();
    let features = wgpu::Features::IMMEDIATES | wgpu::Features::SUBGROUP;
    let required_limits = wgpu::Limits { max_immediate_size: 128, ..Default::default() };
    let descriptor =
        wgpu::DeviceDescriptor { required_features: features, required_limits, ..Default::default() };
    let (device, queue) = wgpu::Device::noop(&descriptor);
    let engines = [("noop", Engine::from_device(device, queue)), ("adapter", Engine::gpu()?)];
    println!("adapter: {}; wgpu 30; {RUNS} calls, us, median (fastest)", engines[1].1.name());
    println!(
        "{:<8} {:<7} {:<9} {:>10} {:>16} {:>16} {:>16}",
        "on", "what", "schedule", "dispatches", "T 1", "T 128", "a dispatch"
    );
    for (on, engine) in &engines {
        let ways: [(&str, Measure); 2] = [("call", host_time), ("encode", encode_time)];
        for (what, measure, schedule) in ways
            .into_iter()
            .flat_map(|(what, measure)| [Schedule::Stepwise, Schedule::Paired].map(|s| (what, measure, s)))
        {
            let (short, few) = measure(engine, schedule, 1)?;
            let (long, many) = measure(engine, schedule, STEPS)?;
            let each = [0, 1].map(|which| (long[which] - short[which]) / (many - few));
            let cells = [(short, 1), (long, 1), (each, 2)]
                .map(|([median, fastest], digits)| format!("{median:.digits$} ({fastest:.digits$})"));
            let [short, long, each] = cells;
            println!("{on:<8} {what:<7} {:<9} {many:>10} {short:>16} {long:>16} {each:>16}", schedule.name());
        }
    }
    Ok(())
}

/// Microseconds, median and fastest, and dispatches.
type Measure = fn(&Engine, Schedule, usize) -> Result<([f64; 2], f64), Failure>;

/// The same for a call that is encoded.
fn encode_time(engine: &Engine, schedule: Schedule, steps: usize) -> Result<([f64; 2], f64), Failure> {
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    let config = config();
    let rnn = Rnn::new(engine, Weights::init(&config, &Init::pytorch())?).with_tuning(schedule)?;
    let buffer = |numbers: usize| {
        let (size, usage) = (4 * numbers as u64, wgpu::BufferUsages::STORAGE);
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let (input, output) = (buffer(steps * 4), buffer(steps * 8));
    let buffers = Buffers::new(steps, 1, BufferArray::new(&input)).output(BufferArray::new(&output));
    let mut times: Vec<Duration> = Vec::new();
    for run in 0..=RUNS {
        let start = Instant::now();
        let mut encoder = device.create_command_encoder(&Default::default());
        rnn.encode(&mut encoder, &buffers)?;
        let commands = encoder.finish();
        if run > 0 {
            times.push(start.elapsed());
        }
        queue.submit([commands]);
        device.poll(wgpu::PollType::wait_indefinitely())?;
    }
    Ok(summary(times, &config, engine, schedule, steps)?)
}

fn config() -> Config {
    Config::lstm(4).bidirectional().input_size(4)
}

fn summary(
    mut times: Vec<Duration>,
    config: &Config,
    engine: &Engine,
    schedule: Schedule,
    steps: usize,
) -> wgpu_rnn::Result<([f64; 2], f64)> {
    times.sort();
    let workload = Workload { tuning: schedule.into(), ..Workload::new(steps, 1) };
    let plan = Plan::of(config, &workload, &engine.limits().unwrap_or_default())?;
    Ok(([RUNS / 2, 0].map(|run| 1e6 * times[run].as_secs_f64()), plan.dispatches() as f64))
}

/// Of a call on the host.
fn host_time(engine: &Engine, schedule: Schedule, steps: usize) -> Result<([f64; 2], f64), Failure> {
    let config = config();
    let rnn = Rnn::new(engine, Weights::init(&config, &Init::pytorch())?).with_tuning(schedule)?;
    let input = Array3::<f32>::ones((steps, 1, 4));
    rnn.forward(&input, None)?;
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut call = pin!(rnn.forward_async(&input, None));
        let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        times.push(start.elapsed());
        match polled {
            Poll::Ready(output) => drop(output?),
            Poll::Pending => drop(pollster::block_on(call)?),
        }
    }
    Ok(summary(times, &config, engine, schedule, steps)?)
}
