//! Two versions of the library in one process, in turn. See README.md.

mod after;
mod before;

use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::time::Duration;

pub type Failure = Box<dyn std::error::Error>;

/// Measures once.
pub type Turn = Box<dyn FnMut() -> Result<Duration, Failure>>;

/// Networks made anew for a measure. Where their memory comes to lie changes a call's time by some percent.
const BUILDS: usize = 6;
/// Pairs of turns of each build.
const PAIRS: usize = 20;
const DRAWS: usize = 2_000;
pub const HOST_CALLS: usize = 20;
pub const STREAM_CALLS: usize = 50;

#[derive(Clone, Copy)]
pub enum On {
    Adapter,
    Cpu,
    /// wgpu's back end that computes nothing.
    Noop,
}

impl On {
    fn name(self) -> &'static str {
        match self {
            On::Adapter => "adapter",
            On::Cpu => "cpu",
            On::Noop => "noop",
        }
    }
}

pub struct Network {
    pub cell: &'static str,
    pub hidden_size: usize,
    pub input_size: usize,
    pub num_layers: usize,
    pub bidirectional: bool,
}

impl Network {
    /// A step costs what its commands cost.
    pub const TINY: Network = Network::of("LSTM", 4, 4, 1, true);

    const fn of(
        cell: &'static str,
        hidden_size: usize,
        input_size: usize,
        num_layers: usize,
        bidirectional: bool,
    ) -> Network {
        Network { cell, hidden_size, input_size, num_layers, bidirectional }
    }

    fn name(&self) -> String {
        let layers = if self.num_layers > 1 { format!("{}x ", self.num_layers) } else { String::new() };
        format!("{layers}{}{} {}", if self.bidirectional { "Bi" } else { "" }, self.cell, self.hidden_size)
    }
}

/// Network, T, N, and calls of a turn on the CPU engine.
const FORWARD: [(Network, usize, usize, usize); 7] = [
    (Network::of("LSTM", 128, 128, 1, true), 100, 16, 4),
    (Network::of("LSTM", 256, 256, 1, true), 50, 16, 2),
    (Network::of("GRU", 128, 128, 1, true), 100, 16, 4),
    (Network::of("LSTM", 256, 256, 1, false), 25, 1, 40),
    (Network::of("LSTM", 512, 512, 1, false), 50, 32, 1),
    (Network::of("RNN", 64, 64, 2, true), 50, 8, 60),
    (Network::of("LSTM", 128, 128, 1, false), 1, 1, 1000),
];

/// Network and number of streams.
const STREAM: [(Network, usize); 4] = [
    (Network::of("GRU", 64, 16, 1, false), 1),
    (Network::of("LSTM", 128, 64, 1, false), 1),
    (Network::of("LSTM", 256, 256, 1, false), 1),
    (Network::of("LSTM", 128, 64, 1, false), 16),
];

fn main() -> Result<(), Failure> {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    for word in &asked {
        if !["forward", "cpu", "host", "stream"].contains(&word.as_str()) {
            return Err(format!("measure {word:?}: expected forward, cpu, host or stream").into());
        }
    }
    let wanted = |measure: &str| asked.is_empty() || asked.iter().any(|word| word == measure);
    println!("adapter: {}; {BUILDS} builds of {PAIRS} pairs, us", ::after::Engine::gpu()?.name());
    println!(
        "{:<8} {:<26} {:<8} {:>11} {:>11} {:>6} {:>17}",
        "measure", "of", "on", "before", "after", "ratio", "95% interval"
    );
    for (network, steps, batch, calls) in &FORWARD {
        for (measure, on, calls) in [("forward", On::Adapter, 1), ("cpu", On::Cpu, *calls)] {
            if wanted(measure) {
                let of = format!("{}, T {steps}, N {batch}", network.name());
                let before = || before::forward(on, network, *steps, *batch, calls);
                compare(measure, &of, on, before, || after::forward(on, network, *steps, *batch, calls))?;
            }
        }
    }
    for on in [On::Noop, On::Adapter] {
        for (paired, steps) in [(false, 1), (false, 128), (true, 1), (true, 128)] {
            if wanted("host") {
                let schedule = if paired { "paired" } else { "stepwise" };
                let of = format!("call, {schedule}, T {steps}");
                let before = || before::host(on, paired, steps);
                compare("host", &of, on, before, || after::host(on, paired, steps))?;
                let of = format!("encode, {schedule}, T {steps}");
                let before = || before::encode(on, paired, steps);
                compare("host", &of, on, before, || after::encode(on, paired, steps))?;
            }
        }
    }
    for (network, count) in &STREAM {
        for on in [On::Adapter, On::Cpu] {
            if wanted("stream") {
                let of = format!("{}, {count} streams", network.name());
                let before = || before::stream(on, network, *count);
                compare("stream", &of, on, before, || after::stream(on, network, *count))?;
            }
        }
    }
    Ok(())
}

/// Measures both in turn, and prints a line.
fn compare(
    measure: &str,
    of: &str,
    on: On,
    before: impl Fn() -> Result<Turn, Failure>,
    after: impl Fn() -> Result<Turn, Failure>,
) -> Result<(), Failure> {
    let (mut times, mut ratios) = ([Vec::new(), Vec::new()], Vec::new());
    for build in 0..BUILDS {
        // Who is made first changes where the other comes to lie.
        let mut turns = if build % 2 == 0 {
            [before()?, after()?]
        } else {
            let after = after()?;
            [before()?, after]
        };
        for turn in &mut turns {
            turn()?;
        }
        let mut own = Vec::new();
        for pair in 0..PAIRS {
            let mut pair_times = [Duration::ZERO; 2];
            for side in [pair % 2, 1 - pair % 2] {
                pair_times[side] = turns[side]()?;
            }
            let [before, after] = pair_times.map(|time| time.as_secs_f64());
            own.push(after / before);
            times[0].push(1e6 * before);
            times[1].push(1e6 * after);
        }
        ratios.push(own);
    }
    let [before, after] = times.map(median);
    let (low, high) = interval(&ratios);
    let interval = format!("{low:.3} to {high:.3}");
    let ratio = median(ratios.concat());
    let on = on.name();
    println!("{measure:<8} {of:<26} {on:<8} {before:>11.1} {after:>11.1} {ratio:>6.3} {interval:>17}");
    Ok(())
}

/// 95% of the medians of samples drawn from the sample: builds first, then pairs of each build.
fn interval(ratios: &[Vec<f64>]) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    let mut medians: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let mut drawn = Vec::new();
            for _ in ratios {
                let build = &ratios[random.random_range(0..ratios.len())];
                drawn.extend(build.iter().map(|_| build[random.random_range(0..build.len())]));
            }
            median(drawn)
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    (medians[DRAWS / 40], medians[DRAWS - 1 - DRAWS / 40])
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}
