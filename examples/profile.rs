//! The time of a call by pass, by the GPU's own clock.
//!
//!     cargo run --release --example profile -- --cell lstm --hidden-size 256 --bidirectional

#[path = "common/ending.rs"]
mod ending;
#[path = "common/network.rs"]
mod network;

use clap::Parser;
use ndarray::Array3;
use network::Network;
use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::time::Duration;
use wgpu_rnn::{Call, Engine, Init, Plan, Rnn, Weights};

/// Measure the passes of one call of a recurrent network, on an adapter with timestamps.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(flatten)]
    network: Network,

    /// Calls, of which the median of each pass is shown
    #[arg(long, default_value_t = 11, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

fn main() -> ExitCode {
    ending::run(|out| {
        write!(out, "{}", profile(&Arguments::parse())?)?;
        Ok(ExitCode::SUCCESS)
    })
}

fn profile(arguments: &Arguments) -> wgpu_rnn::Result<String> {
    let (config, workload) = (arguments.network.config(), arguments.network.workload());
    let engine = Engine::gpu()?;
    // A network that is too large is refused before anything is made.
    Plan::of(&config, &workload, &engine.limits().unwrap_or_default())?;
    let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
    let rnn = rnn.with_dtype(workload.dtype)?.with_tuning(workload.tuning)?;
    let input = Array3::from_elem((workload.steps, workload.batch, config.input_size), 0.1);
    let call = Call::new(&input).timed();
    // The first one makes the pipelines.
    rnn.call(&call)?;
    let mut times: BTreeMap<usize, (String, u64, Vec<Duration>)> = BTreeMap::new();
    for _ in 0..arguments.runs {
        for (index, pass) in rnn.call(&call)?.times.into_iter().enumerate() {
            let entry = times.entry(index).or_insert_with(|| (pass.label, pass.dispatches, Vec::new()));
            entry.2.push(pass.time);
        }
    }
    Ok(table(engine.name(), times.into_values()))
}

/// One line per pass, with a bar as long as the pass's part of the whole.
fn table(adapter: &str, passes: impl Iterator<Item = (String, u64, Vec<Duration>)>) -> String {
    let medians: Vec<_> = passes
        .map(|(label, dispatches, mut times)| {
            times.sort();
            (label, dispatches, times[times.len() / 2].as_secs_f64() * 1e3)
        })
        .collect();
    let whole: f64 = medians.iter().map(|(.., ms)| ms).sum();
    let colours = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let (bold, cyan, plain) = if colours { ("\x1b[1m", "\x1b[36m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("adapter: {adapter}\n");
    text += &format!(
        "{bold}{:<24} {:>10} {:>10} {:>14} {:>6}{plain}\n",
        "pass", "dispatches", "ms", "us a dispatch", "%"
    );
    for (label, dispatches, ms) in &medians {
        let part = ms / whole.max(f64::MIN_POSITIVE);
        let bar = "█".repeat((30.0 * part).round() as usize);
        let each = 1e3 * ms / *dispatches as f64;
        let percent = 100.0 * part;
        text += &format!(
            "{label:<24} {dispatches:>10} {ms:>10.3} {each:>14.2} {percent:>6.1} {cyan}{bar}{plain}\n"
        );
    }
    text + &format!(
        "{bold}{:<24} {:>10} {whole:>10.3}{plain}\n",
        "all",
        medians.iter().map(|pass| pass.1).sum::<u64>()
    )
}
