//! wgpu-rnn beside other implementations: the same weights and inputs, each result held against the reference
//! in f64, all run in turn. Writes a table and a plot, and says the ratios in one line of JSON.
//!
//!     cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick

mod burn_wgpu;
mod case;
mod ours;
mod peer;
mod python;
mod report;
mod rlx_wgpu;

use case::{CONFIGURATIONS, Case};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use peer::{Failure, Prepared};
use report::Row;
use std::path::{Path, PathBuf};
use std::time::Instant;
use wgpu_rnn::Engine;

/// Time wgpu-rnn beside its peers: on the same adapter, and on the CPU.
#[derive(Parser)]
struct Arguments {
    /// Fewer runs of each: under three minutes
    #[arg(long)]
    quick: bool,

    /// Runs of each, in turn (quick: 5)
    #[arg(long, default_value_t = 20)]
    runs: usize,

    /// A Python with requirements.txt installed, to run PyTorch and onnxruntime as well
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,

    /// PyTorch on an NVIDIA card, with cuDNN, as well (f32 with TF32 off, then on, and f16), and the networks
    /// of DeepBench beside it
    #[arg(long, requires = "python")]
    cudnn: bool,

    /// Only configurations whose names contain this
    #[arg(long, value_name = "PART", default_value = "")]
    only: String,

    /// The folder for table and plot
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

fn main() -> Result<(), Failure> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let arguments = Arguments::parse();
    let start = Instant::now();
    let engine = Engine::gpu()?;
    let adapter = engine.name().to_owned();
    eprintln!("adapter: {adapter}");
    let runs = if arguments.quick { 5 } else { arguments.runs };
    let more = if arguments.cudnn { case::for_cudnn() } else { Vec::new() };
    let all = CONFIGURATIONS.into_iter().chain(more);
    let chosen: Vec<_> = all.filter(|one| one.name.contains(&arguments.only)).collect();
    let bar = ProgressBar::new(((chosen.len() + case::TRAINING.len()) * runs) as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let mut rows = Vec::new();
    for configuration in chosen {
        bar.set_message(configuration.name);
        let case = configuration.draw()?;
        rows.extend(measure(&engine, &case, &arguments, runs, &bar));
    }
    let mut training = Vec::new();
    let trained = CONFIGURATIONS.into_iter().filter(|one| case::TRAINING.contains(&one.name));
    for configuration in trained.filter(|one| one.name.contains(&arguments.only)) {
        bar.set_message(format!("{}, training", configuration.name));
        training.extend(measure(&engine, &configuration.draw_training()?, &arguments, runs, &bar));
    }
    bar.finish_and_clear();

    for (rows, what) in [(&rows, "forward"), (&training, "forward and backward")] {
        println!("{what}\n{}", report::table(rows));
        for (peer, by_configuration) in &report::ratios(rows) {
            let worst = by_configuration.values().copied().fold(f64::INFINITY, f64::min);
            let mean = report::geometric_mean(by_configuration.values().copied());
            println!("{peer}: geometric mean {mean:.2}, worst {worst:.2}, of {}", by_configuration.len());
        }
    }
    let (ratios, training_ratios) = (report::ratios(&rows), report::ratios(&training));
    let json = serde_json::json!({ "adapter": adapter, "ratios": ratios, "training": training_ratios });
    let title = format!("{adapter}, {runs} runs each in turn, {:.0} s", start.elapsed().as_secs_f64());
    println!("{title}");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../record");
    // On another machine than it was built on, here.
    let default = if built.parent().is_some_and(Path::exists) { built } else { PathBuf::from(".") };
    let folder = arguments.record.clone().unwrap_or(default);
    std::fs::create_dir_all(&folder)?;
    let short: String = adapter.chars().take_while(|c| c.is_alphanumeric()).collect();
    wgpu_rnn::file::replace(
        folder.join(format!("peers-{short}.txt")),
        format!("{title}\n{}\n\nforward and backward\n{}\n{json}\n", plain(&rows), plain(&training)).as_bytes(),
    )?;
    report::plot(&rows, &title, &folder.join(format!("peers-{short}.svg")))?;
    println!("{json}");
    Ok(())
}

/// The table without colours.
fn plain(rows: &[Row]) -> String {
    let colored = report::table(rows);
    let mut text = String::new();
    let mut parts = colored.split('\x1b');
    text.push_str(parts.next().unwrap_or_default());
    // After an escape, all up to the letter that ends it is not text.
    parts.for_each(|part| text.push_str(part.split_once('m').map_or("", |(_, rest)| rest)));
    text
}

/// A peer's name, which of ours it is measured by, and the network that it has made, or why it could not.
type Contender = (String, &'static str, Result<Box<dyn Prepared>, Failure>);

/// Ours, on the adapter and on the CPU.
const GPU: &str = "wgpu-rnn";
const CPU: &str = "wgpu-rnn-cpu";

fn measure(engine: &Engine, case: &Case, arguments: &Arguments, runs: usize, bar: &ProgressBar) -> Vec<Row> {
    // Peers that differentiate, in a case of training.
    let is_for = |peer: &str| {
        let differentiates = ["burn-wgpu", "pytorch"].contains(&peer);
        case.configuration.peers.contains(&peer) && (case.by_output.is_none() || differentiates)
    };
    let mut contenders: Vec<Contender> = vec![(GPU.into(), GPU, Ok(ours::prepare(engine, case)))];
    if is_for("burn-wgpu") {
        contenders.push(("burn-wgpu".into(), GPU, burn_wgpu::prepare(case)));
    }
    if is_for("rlx-wgpu") {
        contenders.push(("rlx-wgpu".into(), GPU, rlx_wgpu::prepare(case)));
    }
    if let Some(python) = &arguments.python {
        let others = ["onnxruntime", "pytorch"].into_iter().filter(|peer| is_for(peer));
        let is_measured = |peer: &&str| arguments.cudnn && (is_for("pytorch") || is_for(peer));
        let cudnn = case::CUDNN.iter().copied().filter(is_measured);
        if is_for("pytorch") || is_for("onnxruntime") {
            contenders.push((CPU.into(), CPU, Ok(ours::prepare(&Engine::cpu(), case))));
        }
        for (peer, by) in others.map(|peer| (peer, CPU)).chain(cudnn.map(|peer| (peer, GPU))) {
            contenders.push((peer.into(), by, python::prepare(python, peer, case)));
        }
    }
    let mut rows: Vec<Row> = Vec::new();
    for (peer, _, made) in &mut contenders {
        let mut row = Row {
            configuration: case.configuration.name,
            peer: peer.clone(),
            milliseconds: Vec::new(),
            first: f64::NAN,
            error: f64::NAN,
            ratio: None,
            failure: None,
        };
        // The first call is verified, and not among the timed ones; the second one may still have something
        // to make.
        match made {
            Ok(prepared) => match prepared.run().and_then(|first| Ok((first, prepared.run()?))) {
                Ok(((output, time), _)) => {
                    row.first = 1e3 * time.as_secs_f64();
                    row.error = case.error(&output);
                }
                Err(failure) => row.failure = Some(failure.to_string()),
            },
            Err(failure) => row.failure = Some(failure.to_string()),
        }
        rows.push(row);
    }
    for _ in 0..runs {
        for ((_, _, made), row) in contenders.iter_mut().zip(&mut rows) {
            let (Ok(prepared), None) = (made, &row.failure) else { continue };
            match prepared.run() {
                Ok((output, time)) => {
                    row.error = row.error.max(case.error(&output));
                    row.milliseconds.push(1e3 * time.as_secs_f64());
                }
                Err(failure) => row.failure = Some(failure.to_string()),
            }
        }
        bar.inc(1);
    }
    rows.iter_mut().for_each(|row| row.milliseconds.sort_by(f64::total_cmp));
    let ours: Vec<_> = rows.iter().map(|row| (row.peer.clone(), row.median())).collect();
    for ((peer, by, _), row) in contenders.iter().zip(&mut rows) {
        let ours = ours.iter().find(|(name, _)| name == by && name != peer);
        if let (Some((_, ours)), true, None) = (ours, row.is_right(), &row.failure) {
            row.ratio = Some(row.median() / ours);
        }
    }
    rows
}
