//! wgpu-rnn beside other implementations: the same weights and inputs, each result held against the reference
//! in f64. On the adapter all run in turn; on the CPU each runs alone. Writes a table and a plot of each, and
//! prints the ratios as one line of JSON.
//!
//!     cargo run --release --manifest-path benches/peers/Cargo.toml -- --quick

mod burn_wgpu;
mod case;
mod configuration;
mod load;
mod measure;
mod ours;
mod peer;
mod python;
mod report;
mod rlx_wgpu;

use clap::{Parser, ValueEnum};
use configuration::{CONFIGURATIONS, Configuration, TRAINING};
use indicatif::{ProgressBar, ProgressStyle};
use measure::Pace;
use peer::Failure;
use report::Row;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use wgpu_rnn::Engine;

/// Time wgpu-rnn beside its peers: on the same adapter, and on the CPU.
#[derive(Parser)]
pub struct Arguments {
    /// Fewer turns and rounds
    #[arg(long)]
    quick: bool,

    /// The turns on the adapter, each a run of every peer (quick: 5)
    #[arg(long, default_value_t = 20)]
    runs: usize,

    /// The rounds on the CPU, in each of which every peer is started, timed alone and ended (quick: 3)
    #[arg(long, default_value_t = 5)]
    rounds: usize,

    /// A Python with requirements.txt installed, for PyTorch and onnxruntime on the CPU
    #[arg(long, value_name = "PROGRAM")]
    python: Option<PathBuf>,

    /// A Python with requirements-webgpu.txt installed, for onnxruntime on the adapter
    #[arg(long, value_name = "PROGRAM")]
    webgpu_python: Option<PathBuf>,

    /// PyTorch on an NVIDIA card, with cuDNN, as well (f32 with TF32 off, then on, and f16), and the networks
    /// of DeepBench beside it
    #[arg(long, requires = "python")]
    cudnn: bool,

    /// Only the adapter, or only the CPU
    #[arg(long, value_enum)]
    on: Option<Processor>,

    /// Only configurations whose names contain one of these
    #[arg(long, value_name = "PART", value_delimiter = ',', default_value = "")]
    only: Vec<String>,

    /// The folder for tables and plots
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Processor {
    Adapter,
    Cpu,
}

/// All rows of one processor.
struct Part {
    /// The name of its files.
    name: String,
    title: String,
    forward: Vec<Row>,
    training: Vec<Row>,
}

fn main() -> Result<(), Failure> {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
    let arguments = Arguments::parse();
    if arguments.on == Some(Processor::Cpu) && arguments.python.is_none() {
        return Err("--on cpu needs --python PROGRAM: the peers on the CPU are in Python".into());
    }
    let is_on = |processor| arguments.on.is_none_or(|on| on == processor);
    let mut parts = Vec::new();
    let mut adapter = None;
    if is_on(Processor::Adapter) {
        let engine = Engine::gpu()?;
        let turns = if arguments.quick { 5 } else { arguments.runs };
        let short: String = engine.name().chars().take_while(|c| c.is_alphanumeric()).collect();
        let title = format!("{}, up to {turns} runs in turn", engine.name());
        let pace = Pace { rounds: 1, turns, turn: Duration::ZERO };
        parts.push(part(Processor::Adapter, short, title, &arguments, &pace, Some(&engine))?);
        adapter = Some(engine.name().to_owned());
    }
    if is_on(Processor::Cpu) && arguments.python.is_some() {
        let rounds = if arguments.quick { 3 } else { arguments.rounds };
        let title = format!("CPU, {rounds} rounds, each peer alone");
        let pace = Pace { rounds, turns: 1, turn: Duration::from_millis(400) };
        parts.push(part(Processor::Cpu, "cpu".to_owned(), title, &arguments, &pace, None)?);
    }
    for part in &parts {
        write(part, &arguments)?;
    }
    let forward = report::ratios(parts.iter().flat_map(|part| &part.forward));
    let training = report::ratios(parts.iter().flat_map(|part| &part.training));
    println!("{}", serde_json::json!({ "adapter": adapter, "ratios": forward, "training": training }));
    Ok(())
}

fn part(
    processor: Processor,
    name: String,
    title: String,
    arguments: &Arguments,
    pace: &Pace,
    engine: Option<&Engine>,
) -> Result<Part, Failure> {
    eprintln!("{title}");
    let start = Instant::now();
    let more = if arguments.cudnn { configuration::for_cudnn() } else { Vec::new() };
    let is_chosen = |one: &Configuration| {
        let is_measured = processor == Processor::Adapter || measure::has_cpu_peers(one);
        is_measured && arguments.only.iter().any(|part| one.name.contains(part))
    };
    let chosen: Vec<_> = CONFIGURATIONS.into_iter().chain(more).filter(is_chosen).collect();
    let trained = chosen.iter().filter(|one| TRAINING.contains(&one.name));
    let all: Vec<_> = chosen.iter().map(|&one| (one, false)).chain(trained.map(|&one| (one, true))).collect();
    let bar = ProgressBar::new(all.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} {msg}")?);
    let (mut forward, mut training) = (Vec::new(), Vec::new());
    for (configuration, is_training) in all {
        bar.set_message(configuration.name);
        let case = if is_training { configuration.draw_training()? } else { configuration.draw()? };
        let groups = match engine {
            Some(engine) => measure::on_adapter(engine, &case, arguments),
            None => measure::on_cpu(&case, arguments),
        };
        let rows = if is_training { &mut training } else { &mut forward };
        rows.extend(measure::measure(&case, groups, pace));
        bar.inc(1);
    }
    bar.finish_and_clear();
    let title = format!("{title}, {:.0} s", start.elapsed().as_secs_f64());
    Ok(Part { name, title, forward, training })
}

/// Prints a part, and writes its table and its plot.
fn write(part: &Part, arguments: &Arguments) -> Result<(), Failure> {
    let section = |name: &str, rows: &[Row]| match rows {
        [] => String::new(),
        rows => format!("\n{name}\n{}\n{}", report::table(rows), report::summary(rows)),
    };
    let sections = section("forward", &part.forward) + &section("forward and backward", &part.training);
    let text = format!("{}\n{sections}", part.title);
    println!("{text}");
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../record");
    // On another machine than it was built on, here.
    let default = if built.parent().is_some_and(Path::exists) { built } else { PathBuf::from(".") };
    let folder = arguments.record.clone().unwrap_or(default);
    std::fs::create_dir_all(&folder)?;
    let file = |extension: &str| folder.join(format!("peers-{}.{extension}", part.name));
    wgpu_rnn::file::replace(file("txt"), report::plain(&text).as_bytes())?;
    report::plot(&part.forward, &part.title, &file("svg"))
}
