//! The time of the first call of a fresh process: plain, with the tuner, and with the pipeline cache.
//!
//!     cargo bench --bench first
//!
//! Each line is the fastest of several processes: opening the engine, the first call, and the fastest of the
//! calls after it. `kept` is the second process with the same files. Mesa's own cache of shaders is a new one
//! for each way that the files are used, or off.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use wgpu_rnn::{Config, Engine, Init, Rnn, Weights, mxnet};

/// Processes of each, but for the tuner, which runs every candidate several times by itself.
const RUNS: usize = 3;

/// Calls after the first one.
const CALLS: usize = 20;

/// Names what a child of this process has to do: a network, ways and a folder.
const CHILD: &str = "WGPU_RNN_FIRST_CHILD";

type Failure = Box<dyn std::error::Error>;

/// Name, network, T and N.
fn networks() -> [(&'static str, Config, usize, usize); 3] {
    let bilstm = |size: usize| Config::lstm(size).bidirectional().input_size(size);
    [
        ("2x BiRNN 64", Config::rnn_tanh(64).num_layers(2).bidirectional().input_size(64), 50, 8),
        ("BiLSTM 128", bilstm(128), 100, 16),
        ("LSTM 512", Config::lstm(512).input_size(512), 50, 32),
    ]
}

fn main() -> Result<(), Failure> {
    env_logger::init();
    if let Ok(task) = std::env::var(CHILD) {
        let [network, way, folder] = task.splitn(3, ' ').collect::<Vec<_>>()[..] else {
            return Err(task.into());
        };
        return one(network.parse()?, way, Path::new(folder));
    }
    println!("adapter: {}; fastest of {RUNS} processes, ms", Engine::gpu()?.name());
    println!(
        "{:<12} {:<10} {:<16} {:>8} {:>10} {:>10}",
        "network", "Mesa cache", "by", "open", "first", "later"
    );
    for (index, (name, ..)) in networks().iter().enumerate() {
        for mesa in ["off", "on"] {
            for way in ["plain", "pipelines", "tuned"] {
                let mut fastest = [[f64::INFINITY; 3]; 2];
                for _ in 0..if way == "tuned" { 1 } else { RUNS } {
                    // Fresh files for the first process, which the second one finds.
                    let folder = tempfile::tempdir()?;
                    for fastest in &mut fastest {
                        let times = child(index, way, mesa == "on", folder.path())?;
                        fastest.iter_mut().zip(times).for_each(|(best, time)| *best = best.min(time));
                    }
                }
                for (by, [open, first, later]) in
                    [way.to_owned(), format!("{way} kept")].into_iter().zip(fastest)
                {
                    println!("{name:<12} {mesa:<10} {by:<16} {open:>8.0} {first:>10.1} {later:>10.2}");
                }
            }
        }
    }
    Ok(())
}

fn child(network: usize, way: &str, has_cache: bool, folder: &Path) -> Result<Vec<f64>, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.env(CHILD, format!("{network} {way} {}", folder.display()));
    command.env("MESA_SHADER_CACHE_DIR", folder.join("mesa"));
    command.env("MESA_SHADER_CACHE_DISABLE", if has_cache { "false" } else { "true" });
    let output = command.output()?;
    let text = String::from_utf8(output.stdout)?;
    let times: Vec<f64> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let errors = String::from_utf8_lossy(&output.stderr);
    // The tuner's log, where RUST_LOG asks for it.
    errors.lines().filter(|line| line.contains("tune")).for_each(|line| eprintln!("{line}"));
    if times.len() == 3 { Ok(times) } else { Err(format!("a child failed: {errors}").into()) }
}

/// One process.
fn one(network: usize, way: &str, folder: &Path) -> Result<(), Failure> {
    let (_, config, steps, batch) = &networks()[network];
    let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (*steps, *batch, config.input_size));
    let weights = Weights::init(config, &Init::pytorch())?;
    let builder = match way {
        "pipelines" => Engine::builder().pipeline_cache(folder.join("pipelines")),
        "tuned" => Engine::builder().tuned_with(folder.join("tunings")),
        _ => Engine::builder(),
    };
    let start = Instant::now();
    let engine = builder.build()?;
    let open = start.elapsed();
    let rnn = Rnn::new(&engine, weights);
    let call = || -> wgpu_rnn::Result<Duration> {
        let start = Instant::now();
        rnn.forward(&input, None)?;
        Ok(start.elapsed())
    };
    let first = call()?;
    let mut later = Duration::MAX;
    for _ in 0..CALLS {
        later = later.min(call()?);
    }
    for time in [open, first, later] {
        println!("{}", time.as_secs_f64() * 1e3);
    }
    Ok(())
}
