//! Many options at once, drawn at random, and every activation in each of its places.

use super::{check, refused_schedule};
use crate::common::options::{OPTIONS, Row, Setup, plain, with};
use crate::common::random;
use crate::engines::{Offer, Outcome, Trials};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::cell::Cell as Counter;
use wgpu_rnn::{Activation, Cell, Config, Engine, Schedule};

/// Cases that run on each engine; `WGPU_RNN_CASES` sets another number.
const CASES: u32 = 64;

/// With a discrete card's kernels, which a software driver compiles for long.
pub fn add_discrete(trials: &mut Trials) {
    trials.add(Offer::Discrete, "options::anything_at_once", |engine| anything(engine, CASES / 4));
}

pub fn add(trials: &mut Trials, offer: Offer) {
    trials.add(offer, "options::anything_at_once", |engine| anything(engine, CASES));
    for (index, activation) in Activation::ALL.into_iter().rev().enumerate() {
        let name = activation.to_string();
        let name = name.split(':').next().unwrap_or_default();
        trials.add(offer, &format!("options::every_activation::{name}"), move |engine| {
            every_activation(engine, index)
        });
    }
}

/// Draws until so many have run: a setup that cannot be is no case.
fn anything(engine: &Engine, cases: u32) -> Outcome {
    let options = proptest::collection::vec(any::<Index>(), 1..8);
    let schedules = Schedule::ALL.map(Some).into_iter().chain([None]).collect::<Vec<_>>();
    let sizes = (1..=9_usize, 1..=35_usize);
    let strategy = (select(&Cell::ALL[..]), options, select(schedules), sizes, any::<u32>());
    let ran = Counter::new(0);
    let result = random::runner(cases).run(&strategy, |(cell, options, schedule, (steps, batch), seed)| {
        let rows: Vec<&Row> = options.iter().map(|index| index.get(&OPTIONS)).collect();
        let mut setup = with(cell, &rows);
        if !setup.splits {
            (setup.steps, setup.batch) = (steps, batch);
        }
        if setup.refusal().is_some() {
            return Err(TestCaseError::reject("refused"));
        }
        let failed = |failed: libtest_mimic::Failed| {
            TestCaseError::fail(failed.message().unwrap_or("failed").to_owned())
        };
        if engine.is_gpu() {
            setup.schedule = schedule;
            let has_schedule = refused_schedule(engine, &setup).map_err(failed)?.is_none();
            setup.schedule = if has_schedule { schedule } else { Some(Schedule::Stepwise) };
        }
        match check(engine, &setup, seed).map_err(failed)? {
            Some(_) => ran.set(ran.get() + 1),
            // No f16 here.
            None => return Err(TestCaseError::reject("unsupported")),
        }
        Ok(())
    });
    result.map_err(|error| error.to_string())?;
    let expected = random::cases(cases);
    if ran.get() == expected {
        Ok(())
    } else {
        Err(format!("{} cases ran, expected {expected}", ran.get()).into())
    }
}

/// An activation in each of its places, and as another one for the reverse direction.
fn every_activation(engine: &Engine, index: usize) -> Outcome {
    let mut all = Activation::ALL;
    all.reverse();
    let (activation, other) = (all[index], all[(index + 4) % all.len()]);
    let mut kinds: Vec<Cell> = Vec::new();
    for cell in Cell::ALL {
        // Its own activation is not used.
        if !kinds.iter().any(|kind| std::mem::discriminant(kind) == std::mem::discriminant(&cell)) {
            kinds.push(cell);
        }
    }
    kinds.into_iter().try_for_each(|cell| {
        let count = cell.activations().len();
        let mut activations = vec![activation; count];
        activations.extend((0..count).map(|at| if at == 0 { other } else { activation }));
        let config = Config::new(cell, 13).bidirectional().input_size(7).activations(&activations);
        let setup = Setup { config, steps: 3, ..plain(cell) };
        let outcome = check(engine, &setup, index as u32);
        outcome.map(|_| ()).map_err(|failed| format!("{cell:?}: {}", failed.message().unwrap_or("")).into())
    })
}
