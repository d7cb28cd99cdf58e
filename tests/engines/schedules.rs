//! Schedules and tiles by name, and the times of passes.

use crate::common::{self, F32, case, difference_of_outputs, reference};
use crate::engines::{Outcome, Trials};
use crate::{OFFERS, add_all, primes};
use ndarray::Array3;
use wgpu_rnn::inspect::{Equation, Kernel, Read, Tile};
use wgpu_rnn::{Activation, Cell, Config, Directions, Engine, Error, Rnn, Schedule, Tuning};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        true,
        &[("a_profile_is_a_call_and_its_passes", profile), ("every_tile_by_name", every_tile)],
    );
    for offer in OFFERS.into_iter().filter(|offer| offer.needs_gpu()) {
        for cell in Cell::ALL {
            let name = format!("{}::schedules_are_equal_to_the_last_bit", cell.name());
            trials.add(offer, &name, move |engine| schedules_are_equal(engine, cell));
        }
        trials.add(offer, "long_schedules_are_equal_to_the_last_bit", long_schedules_are_equal);
    }
}

fn schedules_are_equal(engine: &Engine, cell: Cell) -> Outcome {
    let mut small = [(1, 1), (5, 3), (300, 2), (4, 17)].into_iter();
    small.try_for_each(|size| all_schedules(engine, &primes(cell), &Schedule::ALL, size))
}

fn long_schedules_are_equal(engine: &Engine) -> Outcome {
    // One direction: units and rows of several turns of a workgroup; reverse, and of several submits.
    let one_way = [Schedule::Stepwise, Schedule::Sequence];
    all_schedules(engine, &Config::gru(300).input_size(3), &one_way, (2, 9))?;
    let reverse = Config::lstm(13).directions(Directions::Reverse).num_layers(2).input_size(3);
    all_schedules(engine, &reverse, &one_way, (260, 5))
}

/// Demands the same bits of these schedules and of the best, without lengths and with them.
fn all_schedules(
    engine: &Engine,
    config: &Config,
    schedules: &[Schedule],
    (steps, batch): (usize, usize),
) -> Outcome {
    let mut case = case(config, steps, batch, 24);
    let rnn = Rnn::new(engine, case.weights.clone());
    for lengths in [None, Some((0..batch).map(|row| (row * 5 + 2) % (steps + 1)).collect())] {
        case.lengths = lengths;
        let best = rnn.call(&case.call())?;
        for &schedule in schedules {
            if rnn.clone().with_tuning(schedule)?.call(&case.call())? != best {
                let name = schedule.name();
                return Err(format!("{config:?}, T {steps}, N {batch}: {name} differs from the best").into());
            }
        }
        if steps < 300 {
            let theirs = reference(&case);
            difference_of_outputs(&best, &theirs, F32.scaled_to(&theirs))?;
        }
    }
    Ok(())
}

/// Every tile by name, of the input product and of the steps; sizes around those of tiles, of groups of
/// columns and pieces of K.
fn every_tile(engine: &Engine) -> Outcome {
    let has_subgroups = engine.limits().is_some_and(|limits| limits.subgroup_size >= 8);
    for (schedule, cell, hidden, features, steps, batch) in [
        (Schedule::Paired, Cell::Lstm, 13, 7, 5, 3),
        (Schedule::Stepwise, Cell::Gru, 9, 70, 3, 23),
        (Schedule::Sequence, Cell::Vanilla(Activation::Tanh), 67, 33, 2, 65),
        (Schedule::Stepwise, Cell::Lstm, 3, 3, 1, 1),
        // Weights that stay in registers: all that fit, and fewer.
        (Schedule::Sequence, Cell::Lstm, 35, 5, 7, 6),
        (Schedule::Sequence, Cell::Gru, 41, 5, 7, 3),
        (Schedule::Sequence, Cell::Vanilla(Activation::Relu), 125, 5, 4, 1),
        // Whole turns of every split of K, and vectors past them.
        (Schedule::Stepwise, Cell::Lstm, 530, 1035, 1, 3),
    ] {
        let config = Config::new(cell, hidden).bidirectional().input_size(features);
        let case = case(&config, steps, batch, 25);
        let theirs = reference(&case);
        let rnn = Rnn::new(engine, case.weights.clone());
        for tile in Tile::ALL {
            let of_steps = match schedule {
                Schedule::Sequence => Kernel::Sequence(Equation::Gru),
                _ => Kernel::Step(Equation::Gru),
            };
            let named = |kernel: Kernel| kernel.tiles().find(|&one| one == tile);
            // A tile with parts of K has K whole forward.
            let in_parts = (tile.parts() > 1 && schedule != Schedule::Sequence).then_some(tile);
            let (gemm, step) = (named(Kernel::Gemm), named(of_steps).or(in_parts));
            let tuning = Tuning { schedule: Some(schedule), gemm, step };
            let rnn = rnn.clone().with_tuning(tuning)?;
            let what = format!("{cell:?} {hidden}, {}, tile {tile}", schedule.name());
            match rnn.call(&case.call()) {
                // No subgroups; or more rows of 272 bytes than fit twice into a workgroup of 16 KiB.
                Err(Error::Unsupported { name, .. })
                    if tile.read == Read::Shared && (!has_subgroups || name == "schedule") => {}
                // 32 KiB and more.
                Err(Error::Unsupported { name: "gemm tile", .. }) if tile.read == Read::SplitWide => {}
                // Cooperative matrices need f16.
                Err(Error::Unsupported { name: "gemm tile", .. }) if tile.read == Read::Cooperative => {}
                Err(error) => return Err(format!("{what}: {error}").into()),
                Ok(_) if tile.read == Read::Cooperative => return Err(format!("{what}: with f32").into()),
                Ok(ours) => difference_of_outputs(&ours, &theirs, F32.scaled_to(&theirs))
                    .map_err(|difference| format!("{what}: {difference}"))?,
            }
        }
    }
    let rnn = Rnn::new(engine, common::case(&primes(Cell::Gru), 1, 1, 0).weights);
    let rnn = rnn.with_tuning(Tuning { step: Some("64w".parse()?), ..Tuning::default() })?;
    let error = rnn.forward(&Array3::zeros((1, 1, 7)), None).unwrap_err().to_string();
    if !error.starts_with("step tile: expected 1, 4, 8, ") || !error.ends_with(", found 64w") {
        return Err(error.into());
    }
    Ok(())
}

fn profile(engine: &Engine) -> Outcome {
    let mut case = case(&primes(Cell::Lstm), 9, 3, 26);
    case.lengths = Some(vec![2, 4, 0]);
    let rnn = Rnn::new(engine, case.weights.clone()).with_tuning(Schedule::Stepwise)?;
    let expected = rnn.call(&case.call())?;
    let timed = rnn.call(&case.call().timed());
    let has_clock =
        engine.device().is_some_and(|device| device.features().contains(wgpu::Features::TIMESTAMP_QUERY));
    if !has_clock {
        return match timed {
            Err(Error::Unsupported { name: "timed", .. }) => Ok(()),
            other => Err(format!("expected Error::Unsupported, found {other:?}").into()),
        };
    }
    let mut answer = timed?;
    let passes = std::mem::take(&mut answer.times);
    if answer != expected {
        return Err("a profiled call gives something else".into());
    }
    // Two layers, each an input's product (one per direction below) and two ways of four of the nine steps.
    let found: Vec<_> = passes.iter().map(|pass| (pass.label.as_str(), pass.dispatches)).collect();
    let expected = [
        ("layer 0 input", 1),
        ("layer 0 forward", 4),
        ("layer 0 reverse", 4),
        ("layer 1 input", 2),
        ("layer 1 forward", 4),
        ("layer 1 reverse", 4),
    ];
    if found != expected || passes.iter().all(|pass| pass.time.is_zero()) {
        return Err(format!("the passes are {passes:?}").into());
    }
    Ok(())
}
