//! Many options at once, drawn at random, with lengths, dropout, saving, schedule, type and sizes, against
//! the tape.

use crate::common::gradients::{Given, difference_near, worst};
use crate::common::options::{OPTIONS, Row, with};
use crate::common::{Case, random, rounded_to_half, shaken};
use crate::engines::{Outcome, small_bindings_for_gradients};
use libtest_mimic::Failed;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use std::cell::Cell as Counter;
use wgpu_rnn::{
    Call, CallGradients, Cell, Dropout, Dtype, Engine, Error, Float, Result, Rnn, Save, Schedule, State,
    reference,
};

/// Cases that run on each engine; `WGPU_RNN_CASES` sets another number.
pub const CASES: u32 = 64;

/// Draws until so many have run: a setup that cannot be is no case.
pub fn at_once(engine: &Engine, cases: u32) -> Outcome {
    let options = proptest::collection::vec(any::<Index>(), 1..8);
    let schedules = Schedule::ALL.map(Some).into_iter().chain([None]).collect::<Vec<_>>();
    let dropout = prop_oneof![Just(None), (0..=10_u32).prop_map(|tenths| Some(tenths as f32 / 10.0))];
    let sizes = (1..=9_usize, 1..=35_usize);
    let strategy = (
        select(&Cell::ALL[..]),
        options,
        select(schedules),
        sizes,
        any::<u32>(),
        select(&Save::ALL[..]),
        dropout,
    );
    let ran = Counter::new(0);
    type Drawn = (Cell, Vec<Index>, Option<Schedule>, (usize, usize), u32, Save, Option<f32>);
    let run = |(cell, options, schedule, sizes, seed, save, dropout): Drawn| {
        let rows: Vec<&Row> = options.iter().map(|index| index.get(&OPTIONS)).collect();
        let mut setup = with(cell, &rows);
        if !setup.splits {
            (setup.steps, setup.batch) = sizes;
        }
        let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
        // A NaN has no gradient to compare.
        if setup.refusal().is_some() || setup.has_nan || (setup.dtype == Dtype::F16 && !has_f16) {
            return Err(TestCaseError::reject("refused"));
        }
        let is_split = setup.splits && engine.is_gpu();
        let engine = if is_split { small_bindings_for_gradients().map_err(failed)? } else { engine };
        let dropout = dropout.filter(|_| setup.config.num_layers > 1);
        let dropout = dropout.map(|p: f32| Dropout::new(p).seed(u64::from(seed)).call(seed / 3));
        let mut case = setup.drawn(seed);
        if setup.dtype == Dtype::F16 {
            case = rounded_to_half(&case);
        }
        let mut rnn = Rnn::new(engine, case.weights.clone()).with_dtype(setup.dtype).map_err(failed)?;
        if engine.is_gpu() {
            rnn = rnn.with_tuning(schedule).map_err(failed)?;
        }
        let call = with_dropout(case.call(), dropout);
        let (output, mut saved) = match rnn.forward_saving(&call, save) {
            Err(Error::Unsupported { name: "schedule", .. }) => {
                return Err(TestCaseError::reject("no such schedule"));
            }
            other => other.map_err(failed)?,
        };
        let given = Given::drawn(&output, 7);
        let ours = rnn.backward(&mut saved, &given.gradients()).map_err(failed)?;
        let theirs = tape::<f64>(&case, &given.cast(), dropout).map_err(failed)?;
        let (part, shake) = if setup.dtype == Dtype::F16 { (1e-2, 1e-3) } else { (3e-5, 1e-6) };
        if difference_near(&ours, &theirs, part, 0.0).is_err() {
            // How badly a network magnifies rounding, and whether a number lies where a slope jumps: the tape
            // with numbers that differ as little tells.
            let mut off: f64 = 0.0;
            for draw in 0..8 {
                let other = shaken(&case, shake, draw);
                off = off.max(worst(&tape::<f64>(&other, &given.cast(), dropout).map_err(failed)?, &theirs));
            }
            difference_near(&ours, &theirs, part, 4.0 * off).map_err(TestCaseError::fail)?;
        }
        ran.set(ran.get() + 1);
        Ok(())
    };
    random::runner(cases).run(&strategy, run).map_err(|error| error.to_string())?;
    let expected = random::cases(cases);
    if ran.get() == expected {
        Ok(())
    } else {
        Err(format!("{} cases ran, expected {expected}", ran.get()).into())
    }
}

fn failed(error: impl Into<Failed>) -> TestCaseError {
    TestCaseError::fail(error.into().message().unwrap_or("failed").to_owned())
}

fn with_dropout<T>(call: Call<'_, T>, dropout: Option<Dropout>) -> Call<'_, T> {
    match dropout {
        Some(dropout) => call.dropout(dropout),
        None => call,
    }
}

/// The tape's gradients of a case.
fn tape<T: Float>(case: &Case, given: &Given<T>, dropout: Option<Dropout>) -> Result<CallGradients<T>> {
    let cast = |number: f32| T::from(number).expect("a float converts to a float");
    let input = case.input.mapv(cast);
    let state = case.state.as_ref();
    let state = state.map(|state| State { h: state.h.mapv(cast), c: state.c.as_ref().map(|c| c.mapv(cast)) });
    let call = Call::new(&input).state(state.as_ref()).outputs(case.outputs);
    let call = if let Some(lengths) = &case.lengths { call.lengths(lengths) } else { call };
    let weights = case.weights.cast::<T>();
    Ok(reference::backward(&weights, &with_dropout(call, dropout), &given.gradients())?.1)
}
