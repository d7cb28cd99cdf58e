//! Contenders, and how they are timed: in turn, or alone.

use crate::case::Case;
use crate::configuration::{CUDNN, Configuration};
use crate::peer::{Failure, Prepared};
use crate::report::Row;
use crate::{Arguments, burn_wgpu, load, ours, python, rlx_wgpu};
use std::time::{Duration, Instant};
use wgpu_rnn::Engine;

/// Ours, on the adapter and on the CPU.
const GPU: &str = "wgpu-rnn";
const CPU: &str = "wgpu-rnn-cpu";

/// The peers that differentiate.
const DIFFERENTIATES: [&str; 3] = [CPU, "burn-wgpu", "pytorch"];

type Prepare<'a> = Box<dyn Fn() -> Result<Box<dyn Prepared>, Failure> + 'a>;

/// An implementation to be measured.
pub struct Contender<'a> {
    prepare: Prepare<'a>,
    row: Row,
}

/// Contenders that are ready at the same time and run in turn. A group is ended before the next one begins.
type Group<'a> = Vec<Contender<'a>>;

/// How often and how long the groups of a case are measured.
pub struct Pace {
    /// How often each group is made ready, one group after the other.
    pub rounds: usize,
    /// The turns in each round.
    pub turns: usize,
    /// The length of a turn of one contender; 0 is a turn of one run.
    pub turn: Duration,
}

/// A round has so many turns, however long they take, and ends after so much time otherwise.
const LEAST_TURNS: usize = 3;
const ROUND: Duration = Duration::from_secs(15);

/// The most runs in a turn.
const MOST_RUNS: f64 = 2_000.0;

/// The peers on the CPU that a configuration is for.
fn cpu_peers(configuration: &Configuration) -> impl Iterator<Item = &'static str> {
    ["onnxruntime", "pytorch"].into_iter().filter(|peer| configuration.peers.contains(peer))
}

pub fn has_cpu_peers(configuration: &Configuration) -> bool {
    cpu_peers(configuration).next().is_some()
}

/// One group: ours and the peers on the same adapter.
pub fn on_adapter<'a>(engine: &'a Engine, case: &'a Case, arguments: &'a Arguments) -> Vec<Group<'a>> {
    let mut all: Vec<(&'static str, Prepare<'a>)> = vec![
        (GPU, Box::new(move || ours::prepare(engine, case))),
        ("burn-wgpu", Box::new(move || burn_wgpu::prepare(case))),
        ("rlx-wgpu", Box::new(move || rlx_wgpu::prepare(case))),
    ];
    if let Some(program) = &arguments.webgpu_python {
        let peer = "onnxruntime-webgpu";
        all.push((peer, Box::new(move || python::prepare(program, peer, 0, case))));
    }
    if let (Some(program), true) = (&arguments.python, arguments.cudnn) {
        for &peer in CUDNN {
            all.push((peer, Box::new(move || python::prepare(program, peer, 0, case))));
        }
    }
    let is_for = |peer: &str| {
        let is_cudnn = CUDNN.contains(&peer) && case.configuration.peers.contains(&"pytorch");
        let differentiates = DIFFERENTIATES.contains(&peer) || CUDNN.contains(&peer);
        let is_able = case.by_output.is_none() || differentiates;
        peer == GPU || is_able && (is_cudnn || case.configuration.peers.contains(&peer))
    };
    let chosen = all.into_iter().filter(|(peer, _)| is_for(peer));
    vec![chosen.map(|(peer, prepare)| contender(case, peer, GPU, 0, prepare)).collect()]
}

/// A group for each: ours, and every peer with one thread and with as many threads as the machine has.
pub fn on_cpu<'a>(case: &'a Case, arguments: &'a Arguments) -> Vec<Group<'a>> {
    let most = std::thread::available_parallelism().map_or(1, usize::from);
    let prepare: Prepare<'a> = Box::new(move || ours::prepare(&Engine::cpu(), case));
    let mut groups = vec![vec![contender(case, CPU, CPU, most, prepare)]];
    let is_able = |peer: &&str| case.by_output.is_none() || DIFFERENTIATES.contains(peer);
    for peer in cpu_peers(&case.configuration).filter(is_able) {
        for threads in if most > 1 { vec![1, most] } else { vec![1] } {
            let program = arguments.python.as_deref();
            let prepare: Prepare<'a> =
                Box::new(move || python::prepare(program.ok_or("no Python")?, peer, threads, case));
            groups.push(vec![contender(case, peer, CPU, threads, prepare)]);
        }
    }
    groups
}

/// 0 threads: not chosen here.
fn contender<'a>(
    case: &Case,
    peer: &'static str,
    by: &'static str,
    threads: usize,
    prepare: Prepare<'a>,
) -> Contender<'a> {
    Contender { prepare, row: Row::new(case.configuration.name, peer, by, threads) }
}

/// Measures all groups, round by round.
pub fn measure(case: &Case, mut groups: Vec<Group<'_>>, pace: &Pace) -> Vec<Row> {
    for _ in 0..pace.rounds {
        for group in &mut groups {
            sit(case, group, pace);
        }
    }
    keep_fastest(&mut groups);
    let mut rows: Vec<Row> = groups.into_iter().flatten().map(|one| one.row).collect();
    let ours: Vec<_> = rows.iter().filter(|row| row.is_ours()).map(|row| (row.peer, row.median())).collect();
    for row in rows.iter_mut().filter(|row| !row.is_ours() && row.failure.is_none()) {
        let by = ours.iter().find(|(name, _)| *name == row.by);
        row.ratio = by.map(|(_, ours)| row.median() / ours);
    }
    rows
}

/// Keeps the fastest of a peer that was measured with several numbers of threads.
fn keep_fastest(groups: &mut [Group<'_>]) {
    let rows = groups.iter().flatten().map(|one| (one.row.peer, one.row.median()));
    let medians: Vec<(&str, f64)> = rows.collect();
    let is_beaten =
        |row: &Row| medians.iter().any(|(peer, median)| *peer == row.peer && *median < row.median());
    groups.iter_mut().for_each(|group| group.retain(|one| !is_beaten(&one.row)));
}

/// One round of a group: made ready and verified, then timed on a quiet machine, then ended.
fn sit(case: &Case, group: &mut Group<'_>, pace: &Pace) {
    let mut ready = Vec::new();
    for Contender { prepare, row } in group.iter_mut().filter(|one| one.row.failure.is_none()) {
        match prepare().and_then(|mut made| verify(case, made.as_mut(), 1, row).map(|first| (made, first))) {
            Ok((made, first)) => {
                row.first = if row.first.is_nan() { first } else { row.first };
                ready.push((made, 1, row));
            }
            Err(failure) => row.failure = Some(failure.to_string()),
        }
    }
    let busy = load::wait_for_quiet();
    for (made, count, row) in &mut ready {
        row.busy = [row.busy, busy].into_iter().flatten().reduce(f64::max);
        // The second call may still have something to make.
        match verify(case, made.as_mut(), 1, row) {
            Ok(ms) => {
                let runs = 1e3 * pace.turn.as_secs_f64() / (ms * case.configuration.calls());
                *count = runs.clamp(1.0, MOST_RUNS) as usize;
                if *count > 1 {
                    // A failure comes again in the turns.
                    let _ = made.run(*count);
                }
            }
            Err(failure) => row.failure = Some(failure.to_string()),
        }
    }
    let start = Instant::now();
    for turn in 0..pace.turns {
        if turn >= LEAST_TURNS && start.elapsed() > ROUND {
            break;
        }
        for (made, count, row) in ready.iter_mut().filter(|(_, _, row)| row.failure.is_none()) {
            match verify(case, made.as_mut(), *count, row) {
                Ok(ms) => row.milliseconds.push(ms),
                Err(failure) => row.failure = Some(failure.to_string()),
            }
            row.milliseconds.sort_by(f64::total_cmp);
        }
    }
}

/// Runs, and holds the output against the truth. The median of the runs, in ms; of a streamed case, per step.
fn verify(case: &Case, made: &mut dyn Prepared, count: usize, row: &mut Row) -> Result<f64, Failure> {
    let (output, mut times) = made.run(count)?;
    row.error = row.error.max(case.error(&output));
    if !row.is_right() {
        return Err(format!("wrong by {:.0e}", row.error).into());
    }
    times.sort();
    Ok(1e3 * times[times.len() / 2].as_secs_f64() / case.configuration.calls())
}
