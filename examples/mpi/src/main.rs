//! Data-parallel training over MPI: every process has batches of its own, and one all-reduce per step sums
//! their gradients.

mod arguments;
mod bench;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../../common/choices.rs"]
mod choices;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../../common/classify.rs"]
mod classify;
#[path = "../../common/ending.rs"]
mod ending;
#[path = "../../common/progress.rs"]
mod progress;
mod ranks;
#[path = "../../common/settings.rs"]
mod settings;

use arguments::{Arguments, Command};
use clap::Parser;
use classify::{Data, Run, accuracy};
use ending::Failure;
use ranks::Ranks;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use wgpu_rnn::{Engine, Init, Rnn};

/// The folder of the recordings.
const RECORDINGS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../data/japanese_vowels");

fn main() -> ExitCode {
    // Before MPI, so that a question about the flags needs no mpirun.
    let arguments = Arguments::parse();
    // A panic ends the job at once: MPI's own end would wait for the other ranks, and they for this one.
    let show = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        show(panic);
        std::process::abort();
    }));
    let mut ranks = None;
    let mut is_done = false;
    let code = ending::run(|out| {
        let ranks = ranks.insert(Ranks::join()?);
        let [rank, _] = ranks.place();
        run(&arguments, ranks, out).map_err(|error| format!("rank {rank}: {error}"))?;
        is_done = true;
        Ok(ExitCode::SUCCESS)
    });
    match ranks {
        // The others wait for this rank's gradients.
        Some(ranks) if !is_done && ranks.place()[1] > 1 => ranks.abort(),
        _ => code,
    }
}

fn run(arguments: &Arguments, ranks: &Ranks, out: &mut dyn Write) -> Result<(), Failure> {
    rayon::ThreadPoolBuilder::new().num_threads(arguments.threads).build_global()?;
    if let Some(Command::Bench(bench)) = &arguments.command {
        return bench::run(bench, ranks, out);
    }
    let settings = &arguments.settings;
    settings.check(&[], &[])?;
    let [rank, world] = ranks.place();
    let data = Data::open(settings, Path::new(RECORDINGS))?;
    let init = Init::pytorch().seed(settings.seed);
    let rnn = Rnn::lazy(&Engine::cpu(), &settings.config(data.features()), init)?;
    let mut run = Run::new(settings, data, rnn, [rank, world])?;
    if world > 1 {
        run.trainer = run.trainer.reduce(Ranks::sum());
    }
    ranks.check_equal(&mut run.trainer)?;
    run.learn(|| false)?;
    ranks.check_equal(&mut run.trainer)?;
    if rank == 0 {
        let accuracy = accuracy(&run.confusion()?);
        run.trainer.save(&settings.save)?;
        writeln!(out, "weights: {}", settings.save.display())?;
        let engine = run.trainer.engine().name();
        writeln!(
            out,
            "test accuracy {accuracy:.3} (seed {}, ranks {world}, engine {engine})",
            settings.seed
        )?;
    }
    Ok(())
}
