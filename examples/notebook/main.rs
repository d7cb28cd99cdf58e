//! "Stacked Bi-directional LSTMs in Gluon", computed by WGSL shaders and held against what MXNet printed.
//!
//!     cargo run --release --example notebook

#[path = "../common/ending.rs"]
mod ending;
mod networks;
mod report;

use clap::{Parser, ValueEnum};
use ending::Failure;
use networks::Network;
use report::{Notebook, Report, TOLERANCE};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use wgpu_rnn::{Engine, Schedule};

/// Compute the networks of the notebook "Stacked Bi-directional LSTMs in Gluon", and compare every number
/// that it prints with MXNet's. The exit code is 1 if one differs.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    /// The way that time steps become dispatches on a GPU. By the base schedule, stepwise, each direction of
    /// a layer is a compute pass of its own, with one dispatch per time step; best leaves it to the plan. The
    /// CPU engine has no schedule [default: stepwise]
    #[arg(long, value_enum)]
    schedule: Option<Choice>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Choice {
    Stepwise,
    Paired,
    Sequence,
    Best,
}

impl Choice {
    fn schedule(self) -> Option<Schedule> {
        match self {
            Choice::Stepwise => Some(Schedule::Stepwise),
            Choice::Paired => Some(Schedule::Paired),
            Choice::Sequence => Some(Schedule::Sequence),
            Choice::Best => None,
        }
    }
}

fn main() -> ExitCode {
    env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("warn,wgpu_hal=off")).init();
    let arguments = Arguments::parse();
    ending::run(|out| {
        let engine = engine()?;
        // The CPU engine refuses a schedule that was asked for by name.
        let default = if engine.is_gpu() { Choice::Stepwise } else { Choice::Best };
        let good = show(&engine, arguments.schedule.unwrap_or(default).schedule(), out)?;
        Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    })
}

/// A GPU, be it one in software, since the shaders are shown here; the CPU engine where there is none. An
/// adapter that was asked for by name and is not there is an error.
fn engine() -> wgpu_rnn::Result<Engine> {
    match Engine::gpu() {
        Err(error @ wgpu_rnn::Error::NoAdapter(_)) => {
            log::warn!("{error}; using the CPU engine");
            Ok(Engine::cpu())
        }
        other => other,
    }
}

/// Shows everything; whether all of it is as it should be.
fn show(engine: &Engine, schedule: Option<Schedule>, out: &mut dyn Write) -> Result<bool, Failure> {
    writeln!(out, "Computed on {}.", engine.name())?;
    let networks = networks::run(engine, schedule)?;
    let colour = std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let mut report = Report { out, good: true, worst: 0.0, numbers: 0, colour };
    if let Some(network) = networks.last() {
        show_passes(network, &mut report)?;
    }
    show_tables(engine, &networks, &mut report)?;
    let Report { out, good, worst, numbers, .. } = report;
    let within = if worst <= TOLERANCE { "within" } else { "over" };
    let worst = format!("{worst:.2e} ({within} {TOLERANCE:e})");
    writeln!(
        out,
        "\n{numbers} numbers compared; the largest difference from what MXNet printed is {worst}."
    )?;
    Ok(good)
}

/// The compute passes of a call of one network, in the order of the command buffer.
fn show_passes(network: &Network, report: &mut Report<'_>) -> Result<(), Failure> {
    if !network.rnn.engine().is_gpu() {
        return Ok(());
    }
    let call = &network.calls[0];
    let (steps, batch, _) = call.input.dim();
    let plan = network.rnn.plan(steps, batch)?;
    let title = format!("{}: the compute passes of a call, schedule {}", call.title, plan.schedule.name());
    let title = report.paint("1", &title);
    writeln!(report.out, "\n{title}")?;
    writeln!(report.out, "    {:<18} {:<18} {:>10}", "pass", "kernel/tile", "dispatches")?;
    for pass in plan.passes() {
        for (index, dispatch) in pass.dispatches.iter().enumerate() {
            let label = if index == 0 { pass.label.as_str() } else { "" };
            let kernel = format!("{}/{}", dispatch.kernel.name(), dispatch.tile);
            writeln!(report.out, "    {label:<18} {kernel:<18} {:>10}", pass.repeats())?;
        }
    }
    Ok(())
}

/// Every table that the notebook prints, under its network's title.
fn show_tables(engine: &Engine, networks: &[Network], report: &mut Report<'_>) -> Result<(), Failure> {
    let notebook: Notebook =
        serde_json::from_str(include_str!("../../tests/golden/notebook/notebook_printed.json"))?;
    let find = |fixture: &str| {
        let calls = networks.iter().flat_map(|network| network.calls.iter().map(move |call| (network, call)));
        calls.into_iter().find(|(_, call)| call.fixture == fixture)
    };
    let mut scalars = notebook.scalars.iter().peekable();
    let mut title = "";
    for table in &notebook.tables {
        // The committed file names calls that `networks::run` makes.
        let (network, call) = find(&table.fixture).expect("a call of the notebook");
        if call.title != title {
            title = call.title;
            let config = network.rnn.config();
            let what = format!(
                "== {title}: {}, H {}, L {} ==",
                config.cell.name(),
                config.hidden_size,
                config.num_layers
            );
            let what = report.paint("1", &what);
            writeln!(report.out, "\n{what}")?;
        }
        // Shapes come before the table that they belong to; the last network's all do.
        while let Some(scalar) = scalars.next_if(|scalar| scalar.cell < table.cell) {
            report.scalar(scalar, call)?;
        }
        report.table(table, call)?;
        let ends =
            !notebook.tables.iter().any(|later| later.fixture == table.fixture && later.cell > table.cell);
        if ends && call.state.is_some() {
            report.identities(engine, network, call)?;
        }
    }
    Ok(())
}
