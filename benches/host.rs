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
//! without a submit. `saved` and `backward` are a call that keeps gates and its backward pass.

use ndarray::Array3;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use wgpu_rnn::inspect::dispatches_recorded;
use wgpu_rnn::{
    BufferArray, Buffers, Call, Config, Engine, GradientBuffers, Init, OutputGradients, Rnn, Save, Schedule,
    Weights,
};

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
        "{:<8} {:<16} {:<9} {:>10} {:>16} {:>16} {:>16}",
        "on", "what", "schedule", "dispatches", "T 1", "T 128", "a dispatch"
    );
    for (on, engine) in &engines {
        let ways: [([&str; 2], Measure); 3] =
            [(["call", ""], call), (["saved", "backward"], saved_call), (["encode", ""], encoded_call)];
        let encoded_saved: ([&str; 2], Measure) = (["encode saved", "encode backward"], encoded_saved_call);
        for (names, measure) in ways.into_iter().chain([encoded_saved]) {
            for schedule in [Schedule::Stepwise, Schedule::Paired] {
                let rnn =
                    Rnn::new(engine, Weights::init(&config(), &Init::pytorch())?).with_tuning(schedule)?;
                let (short, long) = (measure(engine, &rnn, 1)?, measure(engine, &rnn, STEPS)?);
                for ((what, short), long) in names.into_iter().zip(short).zip(long) {
                    let many = long.dispatches;
                    let each = [0, 1]
                        .map(|which| (long.times[which] - short.times[which]) / (many - short.dispatches));
                    let cells = [(short.times, 1), (long.times, 1), (each, 2)]
                        .map(|([median, fastest], digits)| format!("{median:.digits$} ({fastest:.digits$})"));
                    let [short, long, each] = cells;
                    let schedule = schedule.name();
                    println!("{on:<8} {what:<16} {schedule:<9} {many:>10} {short:>16} {long:>16} {each:>16}");
                }
            }
        }
    }
    Ok(())
}

/// Microseconds, median and fastest, and dispatches.
struct Measured {
    times: [f64; 2],
    dispatches: f64,
}

/// Measures a call, and its backward pass if it has one.
type Measure = fn(&Engine, &Rnn, usize) -> Result<Vec<Measured>, Failure>;

fn config() -> Config {
    Config::lstm(4).bidirectional().input_size(4)
}

/// The times of some parts that `run` takes in turn, each with the dispatches that are recorded so far.
fn measure(mut run: impl FnMut() -> Result<Vec<(Duration, u64)>, Failure>) -> Result<Vec<Measured>, Failure> {
    run()?;
    let runs = (0..RUNS).map(|_| run()).collect::<Result<Vec<_>, _>>()?;
    let part = |index: usize| {
        let mut times: Vec<Duration> = runs.iter().map(|parts| parts[index].0).collect();
        times.sort();
        let times = [RUNS / 2, 0].map(|run| 1e6 * times[run].as_secs_f64());
        Measured { times, dispatches: runs[0][index].1 as f64 }
    };
    Ok((0..runs[0].len()).map(part).collect())
}

/// Polls a call once, which is as far as it goes without a wait, and then to its end.
fn to_submit<T>(
    engine: &Engine,
    call: impl Future<Output = wgpu_rnn::Result<T>>,
) -> Result<(T, (Duration, u64)), Failure> {
    let (start, before) = (Instant::now(), dispatches_recorded(engine));
    let mut call = pin!(call);
    let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    let part = (start.elapsed(), dispatches_recorded(engine) - before);
    let answer = match polled {
        Poll::Ready(answer) => answer?,
        Poll::Pending => pollster::block_on(call)?,
    };
    Ok((answer, part))
}

fn call(engine: &Engine, rnn: &Rnn, steps: usize) -> Result<Vec<Measured>, Failure> {
    let input = Array3::<f32>::ones((steps, 1, 4));
    measure(|| Ok(vec![to_submit(engine, rnn.forward_async(&input, None))?.1]))
}

fn saved_call(engine: &Engine, rnn: &Rnn, steps: usize) -> Result<Vec<Measured>, Failure> {
    let (input, by) = (Array3::<f32>::ones((steps, 1, 4)), Array3::<f32>::ones((steps, 1, 8)));
    let (call, by) = (Call::new(&input), OutputGradients::new().output(&by));
    measure(|| {
        let ((_, mut saved), forward) = to_submit(engine, rnn.forward_saving_async(&call, Save::Gates))?;
        let (_, backward) = to_submit(engine, rnn.backward_async(&mut saved, &by))?;
        Ok(vec![forward, backward])
    })
}

/// Records commands, and times them without their submit.
fn recorded<T>(
    engine: &Engine,
    record: impl FnOnce(&mut wgpu::CommandEncoder) -> wgpu_rnn::Result<T>,
) -> Result<(T, (Duration, u64)), Failure> {
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    let (start, before) = (Instant::now(), dispatches_recorded(engine));
    let mut encoder = device.create_command_encoder(&Default::default());
    let made = record(&mut encoder)?;
    let commands = encoder.finish();
    let part = (start.elapsed(), dispatches_recorded(engine) - before);
    queue.submit([commands]);
    device.poll(wgpu::PollType::wait_indefinitely())?;
    Ok((made, part))
}

fn buffer(engine: &Engine, numbers: usize) -> Result<wgpu::Buffer, Failure> {
    let (size, usage) = (4 * numbers as u64, wgpu::BufferUsages::STORAGE);
    let descriptor = wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false };
    Ok(engine.device().ok_or("no GPU")?.create_buffer(&descriptor))
}

fn encoded_call(engine: &Engine, rnn: &Rnn, steps: usize) -> Result<Vec<Measured>, Failure> {
    let (input, output) = (buffer(engine, steps * 4)?, buffer(engine, steps * 8)?);
    let buffers = Buffers::new(steps, 1, BufferArray::new(&input)).output(BufferArray::new(&output));
    measure(|| Ok(vec![recorded(engine, |encoder| rnn.encode(encoder, &buffers))?.1]))
}

fn encoded_saved_call(engine: &Engine, rnn: &Rnn, steps: usize) -> Result<Vec<Measured>, Failure> {
    let [input, by_input] = [buffer(engine, steps * 4)?, buffer(engine, steps * 4)?];
    let [output, by_output] = [buffer(engine, steps * 8)?, buffer(engine, steps * 8)?];
    let buffers = Buffers::new(steps, 1, BufferArray::new(&input)).output(BufferArray::new(&output));
    let by = GradientBuffers::new().by_output(BufferArray::new(&by_output));
    let by = by.by_input(BufferArray::new(&by_input));
    measure(|| {
        let save = |encoder: &mut wgpu::CommandEncoder| rnn.encode_saved(encoder, &buffers, Save::Gates);
        let (mut saved, forward) = recorded(engine, save)?;
        let (_, backward) = recorded(engine, |encoder| rnn.encode_backward(encoder, &mut saved, &by))?;
        Ok(vec![forward, backward])
    })
}
