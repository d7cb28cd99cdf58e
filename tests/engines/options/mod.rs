//! Every option: alone, of every cell, by every schedule and layout; with every other one; and many at once.
//! The engines against the reference in double precision, and against a wrong answer of it, which the
//! comparison must see.
//!
//! Which cells can have an option is the library's to say: a setup that it refuses is no case, and `refusals`
//! counts them.

mod anything;
mod pairs;
mod table;

use crate::common::options::{self, Control, OPTIONS, Row, Setup, with};
use crate::common::{Case, F32, Judgement, difference_of_outputs, judgement, reference};
use crate::encoded;
use crate::engines::{Offer, Outcome, Trials, small_bindings};
use libtest_mimic::Failed;
use std::sync::Arc;
use wgpu_rnn::{Cell, Dtype, Engine, Error, Layout, Naming, Output, Plan, Rnn, Schedule, Weights};

const OFFERS: [Offer; 3] = [Offer::All, Offer::WebGpuDefaults, Offer::Cpu];

pub fn add(trials: &mut Trials) {
    anything::add_discrete(trials);
    for offer in OFFERS {
        anything::add(trials, offer);
        pairs::add(trials, offer);
        for cell in Cell::ALL {
            for (index, row) in OPTIONS.iter().enumerate() {
                if with(cell, &[row]).refusal().is_none() {
                    let name = format!("options::{}::{}", cell.name(), row.name);
                    trials.add(offer, &name, move |engine| alone(engine, cell, row, index as u32));
                }
            }
        }
    }
    table::add(trials);
}

/// An engine's answer to a setup, and the judge's.
struct Answer {
    case: Case,
    ours: Output,
    judgement: Arc<Judgement>,
}

/// An option in layout TNC by the plan's schedule, in layout NTC by every schedule, and a wrong answer.
fn alone(engine: &Engine, cell: Cell, row: &Row, seed: u32) -> Outcome {
    let setup = with(cell, &[row]);
    if check(engine, &setup, seed)?.is_none() {
        return Ok(());
    }
    let mut ntc = setup.clone();
    ntc.config.layout = Layout::Ntc;
    let schedules = if engine.is_gpu() { Schedule::ALL.map(Some).to_vec() } else { vec![None] };
    let mut before: Option<Output> = None;
    for schedule in schedules {
        let setup = Setup { schedule, ..ntc.clone() };
        let name = schedule.map_or("", Schedule::name);
        if engine.is_gpu()
            && let Some(refused) = refused_schedule(engine, &setup)?
        {
            let engine = engine_of(engine, &setup)?;
            match run(engine, &setup, &setup.drawn(seed)) {
                Err(error) if error.to_string() == refused.to_string() => continue,
                other => {
                    let found = other.map(|output| output.engine);
                    return Err(format!("{name}: expected {refused}, found {found:?}").into());
                }
            }
        }
        let answer = check(engine, &setup, seed).map_err(|failed| said(name, &failed))?;
        let Some(Answer { ours, .. }) = answer else { return Ok(()) };
        if before.is_some_and(|before| before != ours) {
            return Err(format!("{name} gives other bits than another schedule").into());
        }
        before = Some(ours);
    }
    control(engine, cell, row, seed)
}

fn said(what: &str, failed: &Failed) -> Failed {
    format!("{what}: {}", failed.message().unwrap_or("failed")).into()
}

/// The refusal of a schedule that a network cannot have; a plan that has another one than was asked for is an
/// error.
fn refused_schedule(engine: &Engine, setup: &Setup) -> Result<Option<Error>, Failed> {
    let limits = engine_of(engine, setup)?.limits().ok_or("no GPU")?;
    match Plan::of(&setup.config, &setup.workload(), &limits) {
        Err(error @ Error::Unsupported { name: "schedule", .. }) => Ok(Some(error)),
        // `check` expects this refusal.
        Err(Error::Unsupported { name: "dtype", .. }) => Ok(None),
        Err(error) => Err(error.into()),
        Ok(plan) if setup.schedule.is_none_or(|asked| plan.schedule == asked) => Ok(None),
        Ok(plan) => Err(format!("asked for {:?}, planned {}", setup.schedule, plan.schedule.name()).into()),
    }
}

/// A wrong answer is seen by the comparison that lets the right one pass.
fn control(engine: &Engine, cell: Cell, row: &Row, seed: u32) -> Outcome {
    // T = N, so that the axes can be taken for each other.
    let square = |mut setup: Setup| {
        (setup.steps, setup.batch) = (3, 3);
        setup
    };
    let right = square(with(cell, &[row]));
    let wrong = match &row.control {
        Control::Off => square(options::plain(cell)),
        Control::Other(change) => {
            let mut wrong = right.clone();
            change(&mut wrong);
            wrong
        }
        Control::Rounding => {
            let Some(answer) = check(engine, &right, seed)? else { return Ok(()) };
            let finer = F32.scaled_to(&answer.judgement.theirs);
            return match difference_of_outputs(&answer.ours, &answer.judgement.theirs, finer) {
                Err(_) => Ok(()),
                Ok(()) => Err("the option changes nothing".into()),
            };
        }
        // `check` looks at the plan.
        Control::Plan => return Ok(()),
    };
    let Some(answer) = check(engine, &right, seed)? else { return Ok(()) };
    let theirs = reference(&in_place_of(&answer.case, &wrong, seed));
    match difference_of_outputs(&answer.ours, &theirs, answer.judgement.tolerance) {
        Err(_) => Ok(()),
        Ok(()) => Err("an answer without the option passes too".into()),
    }
}

/// The case of another setup, with every number of this one that it has a place for.
fn in_place_of(case: &Case, setup: &Setup, seed: u32) -> Case {
    let mut other = setup.drawn(seed);
    let tensors = other.weights.tensors(Naming::PyTorch).map(|(name, tensor)| {
        let mut ours = case.weights.tensors(Naming::PyTorch);
        let ours = ours.find(|(known, same)| *known == name && same.shape() == tensor.shape());
        let tensor = ours.map_or(tensor.to_owned(), |(_, ours)| ours.to_owned());
        (name, tensor)
    });
    other.weights = Weights::reader().config(&setup.config).from_tensors(tensors).expect("the same names");
    if other.input.dim() == case.input.dim() {
        other.input.assign(&case.input);
    }
    if let (Some(into), Some(state)) = (&mut other.state, &case.state) {
        if into.h.dim() == state.h.dim() {
            into.h.assign(&state.h);
        }
        if let (Some(into), Some(c)) = (&mut into.c, &state.c)
            && into.dim() == c.dim()
        {
            into.assign(c);
        }
    }
    other
}

/// The engine's answer, equal to the reference's; none from an engine without f16, which refuses the dtype.
fn check(engine: &Engine, setup: &Setup, seed: u32) -> Result<Option<Answer>, Failed> {
    let engine = engine_of(engine, setup)?;
    let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
    let case = setup.drawn(seed);
    if setup.dtype == Dtype::F16 && !has_f16 {
        return match run(engine, setup, &case) {
            Err(Error::Unsupported { name: "dtype", .. }) => Ok(None),
            other => {
                let found = other.map(|output| output.engine);
                Err(format!("expected Error::Unsupported, found {found:?}").into())
            }
        };
    }
    let ours = run(engine, setup, &case)?;
    if setup.splits && engine.is_gpu() {
        let limits = engine.limits().ok_or("no GPU")?;
        let plan = Plan::of(&setup.config, &setup.workload(), &limits)?;
        let parts = plan.buffers.iter().filter(|buffer| buffer.name.starts_with("input ")).count();
        if parts < 3 {
            return Err(format!("{parts} buffers of input, expected several").into());
        }
    }
    if engine.is_gpu() {
        encode(engine, setup, &case, &ours)?;
    }
    let judgement = judgement(&case, setup.dtype);
    difference_of_outputs(&ours, &judgement.theirs, judgement.tolerance)?;
    Ok(Some(Answer { case, ours, judgement }))
}

/// The same call, from buffers to buffers, which are strided in every second case.
fn encode(engine: &Engine, setup: &Setup, case: &Case, ours: &Output) -> Outcome {
    let rnn = network(engine, setup, case)?;
    let strided = encoded::Lie { offset: 12, gap: 3, ..encoded::CONTIGUOUS };
    let lie = if setup.has_lengths || setup.outputs.every_layer { strided } else { encoded::CONTIGUOUS };
    // A call that a buffer of this adapter cannot hold.
    let most = engine.limits().map_or(0, |limits| limits.max_buffer_bytes);
    if rnn.buffer_needs(setup.steps, setup.batch)?.iter().any(|need| 2 * need.bytes > most) {
        return Ok(());
    }
    encoded::equals(engine, &rnn, case, lie, ours).map_err(|failed| said("encoded", &failed))
}

fn run(engine: &Engine, setup: &Setup, case: &Case) -> wgpu_rnn::Result<Output> {
    network(engine, setup, case)?.call(&case.call())
}

fn network(engine: &Engine, setup: &Setup, case: &Case) -> wgpu_rnn::Result<Rnn> {
    let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(setup.dtype)?;
    rnn.with_tuning(setup.schedule)
}

/// The engine, or one with the bindings of the setup; the CPU has none.
fn engine_of<'a>(engine: &'a Engine, setup: &Setup) -> Result<&'a Engine, Failed> {
    if setup.splits && engine.is_gpu() { small_bindings() } else { Ok(engine) }
}
