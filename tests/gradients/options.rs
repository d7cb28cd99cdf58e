//! Every option, alone and with every other one, of every cell that can have both, against the tape; by every
//! schedule, to the bit; and in segments.

use crate::common::gradients::{Given, difference_of_gradients, difference_of_half, judge};
use crate::common::options::{OPTIONS, Row, Setup, cells, with};
use crate::common::{Case, case, rounded_to_half};
use crate::engines::{Offer, Outcome, Trials, own_device, small_bindings_for_gradients};
use libtest_mimic::Failed;
use wgpu_rnn::inspect::{Equation, Kernel, Read};
use wgpu_rnn::{
    Activation, CallGradients, Cell, Config, Directions, Dtype, Engine, Error, Plan, Reset, Rnn, Save,
    Schedule, Tile, Tuning, Workload,
};

/// Rows that are settings of a GPU, or of a device.
const NOT_HERE: [&str; 2] = ["half", "small_bindings"];

fn rows() -> Vec<&'static Row> {
    OPTIONS.iter().filter(|row| !NOT_HERE.contains(&row.name)).collect()
}

pub fn add(trials: &mut Trials) {
    for (index, row) in rows().into_iter().enumerate() {
        for offer in [Offer::All, Offer::Cpu] {
            let name = format!("options::{}_with_each_other", row.name);
            trials.add(offer, &name, move |engine| with_each_other(engine, index));
        }
        for offer in [Offer::All, Offer::WebGpuDefaults] {
            trials.add(offer, &format!("options::{}_by_schedule", row.name), move |engine| {
                by_schedule(engine, index)
            });
        }
        let name = format!("options::{}_by_units", row.name);
        trials.add(Offer::Discrete, &name, move |engine| by_units(engine, index));
        let name = format!("options::{}_in_half", row.name);
        trials.add(Offer::All, &name, move |engine| in_half(engine, index));
        let name = format!("options::{}_in_segments", row.name);
        trials
            .add(Offer::WebGpuDefaults, &name, move |_| in_segments(small_bindings_for_gradients()?, index));
    }
    trials.add(Offer::WebGpuDefaults, "partial_sums_in_turn", partial_sums_in_turn);
    trials.add(Offer::Discrete, "every_tile_by_name", every_tile);
    trials.add(Offer::Discrete, "weights_that_stay_put", weights_that_stay_put);
    trials.add(Offer::Discrete, "parts_of_k_are_added_in_their_order", parts_of_k);
    trials.add(Offer::WebGpuDefaults, "segments_do_not_change_bits", segments_do_not_change_bits);
    for offer in [Offer::All, Offer::Cpu, Offer::WebGpuDefaults] {
        trials.add(offer, "long_sums_equal_the_tape", long_sums);
        trials.add(offer, "sums_over_a_large_batch_equal_the_tape", large_batch);
    }
}

fn said(what: &str, failed: Failed) -> Failed {
    format!("{what}: {}", failed.message().unwrap_or("failed")).into()
}

/// The setups of rows, of every cell that can have them. A NaN has no gradient to compare.
fn setups(rows: &[&Row]) -> impl Iterator<Item = (String, Setup)> {
    let names = rows.iter().map(|row| row.name).collect::<Vec<_>>().join(", ");
    let setups = cells(rows).into_iter().map(|cell| (format!("{cell}, {names}"), with(cell, rows)));
    setups.filter(|(_, setup)| !setup.has_nan).collect::<Vec<_>>().into_iter()
}

fn with_each_other(engine: &Engine, index: usize) -> Outcome {
    let rows = rows();
    for (other, row) in rows[..=index].iter().enumerate() {
        let seed = (100 * index + other) as u32;
        let all: Vec<_> = setups(&[rows[index], row]).collect();
        // On a GPU, cells take turns; alone, every cell has every option.
        let turns = if engine.is_gpu() && other < index { all.len().max(1) } else { 1 };
        for (name, setup) in all.into_iter().skip(seed as usize % turns).step_by(turns) {
            check(engine, &setup.drawn(seed)).map_err(|failed| said(&name, failed))?;
        }
    }
    Ok(())
}

/// Every formula for one unit per invocation, as GPUs have them, by the tile that compiles the fastest.
fn by_units(engine: &Engine, index: usize) -> Outcome {
    for (name, setup) in setups(&[rows()[index]]) {
        let case = setup.drawn(index as u32);
        let tuning = Tuning { step: Some("1".parse()?), ..Tuning::default() };
        let rnn = Rnn::new(engine, case.weights.clone()).with_tuning(tuning)?;
        let (output, mut saved) = rnn.forward_saved(&case.call())?;
        let given = Given::drawn(&output, 7);
        let ours = rnn.backward(&mut saved, &given.gradients())?;
        difference_of_gradients(&ours, &judge(&case, &given)).map_err(|error| format!("{name}: {error}"))?;
    }
    Ok(())
}

/// All schedules that a network can have give the same bits.
fn by_schedule(engine: &Engine, index: usize) -> Outcome {
    for (name, mut setup) in setups(&[rows()[index]]) {
        setup.config = setup.config.clone();
        if setup.config.directions == Directions::Forward {
            setup.config = setup.config.bidirectional();
        }
        if setup.refusal().is_some() {
            continue;
        }
        let case = setup.drawn(index as u32);
        let rnn = Rnn::new(engine, case.weights.clone());
        let given = Given::drawn(&rnn.call(&case.call())?, 7);
        let mut first: Option<CallGradients> = None;
        for schedule in Schedule::ALL {
            let rnn = rnn.clone().with_tuning(schedule)?;
            let (_, mut saved) = match rnn.forward_saved(&case.call()) {
                Err(Error::Unsupported { name: "schedule", .. }) => continue,
                other => other?,
            };
            let ours = rnn.backward(&mut saved, &given.gradients())?;
            match &first {
                None => difference_of_gradients(&ours, &judge(&case, &given))
                    .map_err(|error| format!("{name}, {}: {error}", schedule.name()))?,
                Some(first) if *first == ours => {}
                Some(_) => return Err(format!("{name}: {} gives other bits", schedule.name()).into()),
            }
            first = first.or(Some(ours));
        }
    }
    Ok(())
}

/// Stored as f16, by both savings and every schedule: near the tape's gradients of the numbers that f16
/// holds.
fn in_half(engine: &Engine, index: usize) -> Outcome {
    if !engine.limits().is_some_and(|limits| limits.f16) {
        println!("the adapter has no SHADER_F16: nothing is tested");
        return Ok(());
    }
    for (name, setup) in setups(&[rows()[index]]) {
        let case = rounded_to_half(&setup.drawn(index as u32));
        let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(Dtype::F16)?;
        let output = rnn.call(&case.call())?;
        let given = Given::drawn(&output, 7);
        for save in Save::ALL {
            let mut first: Option<CallGradients> = None;
            for schedule in Schedule::ALL {
                let rnn = rnn.clone().with_tuning(schedule)?;
                let (mut saved_output, mut saved) = match rnn.forward_saving(&case.call(), save) {
                    Err(Error::Unsupported { name: "schedule", .. }) => continue,
                    other => other?,
                };
                // A saved call keeps cell states as f32.
                saved_output.cell_states = output.cell_states.clone();
                if saved_output != output {
                    return Err(format!("{name}: a saved call gives another output").into());
                }
                let ours = rnn.backward(&mut saved, &given.gradients())?;
                match &first {
                    None => difference_of_half(&ours, &judge(&case, &given))
                        .map_err(|error| format!("{name}, {save:?}: {error}"))?,
                    Some(first) if *first == ours => {}
                    Some(_) => return Err(format!("{name}: {} gives other bits", schedule.name()).into()),
                }
                first = first.or(Some(ours));
            }
        }
    }
    Ok(())
}

/// Arrays over time that take several buffers.
fn in_segments(engine: &Engine, index: usize) -> Outcome {
    let splits = OPTIONS.iter().find(|row| row.name == "small_bindings").ok_or("no such row")?;
    for (name, setup) in setups(&[rows()[index], splits]) {
        let limits = engine.limits().ok_or("no GPU")?;
        let workload = Workload { saves: Some(Save::Gates), ..setup.workload() };
        let plan = Plan::of(&setup.config, &workload, &limits)?;
        if plan.passes().filter(|pass| pass.label.ends_with("border back")).count() < 2 {
            return Err(format!("{name}: not in segments:\n{plan}").into());
        }
        check(engine, &setup.drawn(index as u32)).map_err(|failed| said(&name, failed))?;
    }
    Ok(())
}

/// Every tile of a step or sequence, forward and on the way back, by sizes around those of tiles and pieces
/// of K.
fn every_tile(engine: &Engine) -> Outcome {
    for (schedule, cell, hidden, steps, batch) in [
        (Schedule::Stepwise, Cell::Lstm, 70, 2, 35),
        (Schedule::Stepwise, Cell::Vanilla(Activation::Tanh), 261, 2, 9),
        (Schedule::Sequence, Cell::Lstm, 21, 3, 5),
    ] {
        let case = case(&Config::new(cell, hidden).bidirectional().input_size(3), steps, batch, 75);
        for tile in Tile::ALL {
            let tuning = Tuning { schedule: Some(schedule), step: Some(tile), ..Tuning::default() };
            let rnn = Rnn::new(engine, case.weights.clone()).with_tuning(tuning)?;
            let is_step = schedule == Schedule::Stepwise;
            let kernel = if is_step { Kernel::Step } else { Kernel::Sequence }(Equation::Lstm);
            let has_tile = kernel.tiles().any(|one| one == tile) || (is_step && tile.parts() > 1);
            // Subgroups, and 64 KiB of a workgroup's memory, are not sure to be had.
            let is_sure = tile.read != Read::Shared && (tile.rows, tile.read) != (16, Read::SplitWide);
            let what = format!("{cell} {hidden}, {}, tile {tile}", schedule.name());
            let (output, mut saved) = match rnn.forward_saved(&case.call()) {
                Err(Error::Unsupported { name: "step tile", .. }) if !has_tile || !is_sure => continue,
                other => other.map_err(|error| format!("{what}: {error}"))?,
            };
            let given = Given::drawn(&output, 7);
            let ours = rnn.backward(&mut saved, &given.gradients())?;
            difference_of_gradients(&ours, &judge(&case, &given))
                .map_err(|error| format!("{what}: {error}"))?;
        }
    }
    Ok(())
}

/// Small networks, whose weights stay in registers for a whole sequence.
fn weights_that_stay_put(engine: &Engine) -> Outcome {
    let networks = [
        (Config::lstm(21).bidirectional().peepholes(), 7, 3),
        (Config::gru(37).num_layers(2), 5, 1),
        (Config::rnn_tanh(9).bidirectional(), 6, 11),
    ];
    for (index, (config, steps, batch)) in networks.into_iter().enumerate() {
        let mut case = case(&config.input_size(3), steps, batch, 76);
        case.lengths = Some((0..batch).map(|row| steps - row % 2).collect());
        let limits = engine.limits().ok_or("no limits")?;
        for saves in [None, Some(Save::Gates), Some(Save::States)] {
            let workload = Workload { saves, ..Workload::new(steps, batch) };
            let plan = Plan::of(case.weights.config(), &workload, &limits)?.to_string();
            if !plan.contains("sequence/1r") && !plan.contains("sequence/4r") {
                return Err(format!("network {index}:\n{plan}").into());
            }
        }
        check(engine, &case).map_err(|failed| said(&format!("network {index}"), failed))?;
    }
    Ok(())
}

/// Every phase of the way back by tiles with parts of K: the tape's gradients, with lengths, in both types,
/// and by all schedules that have them with the same bits. K fills neither parts nor pieces, rows no tile.
fn parts_of_k(engine: &Engine) -> Outcome {
    let lstm = || Config::lstm(37);
    let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
    for config in [
        Config::new(Cell::Vanilla(Activation::Tanh), 70),
        lstm().peepholes(),
        lstm().proj_size(30),
        lstm().layer_norm(),
        lstm().proj_size(30).layer_norm(),
        Config::gru(37),
        Config::gru(37).gru_reset(Reset::Before),
    ] {
        let mut case = case(&config.bidirectional().input_size(3), 3, 35, 76);
        case.lengths = Some((0..35).map(|row| row % 4).collect());
        let half = has_f16.then(|| (Dtype::F16, rounded_to_half(&case)));
        for (dtype, case) in [(Dtype::F32, case)].into_iter().chain(half) {
            for tile in Tile::ALL.into_iter().filter(|tile| tile.parts() > 1) {
                parts_by(engine, &case, dtype, tile)?;
            }
        }
    }
    Ok(())
}

/// A tile with parts of K by the schedules that have it.
fn parts_by(engine: &Engine, case: &Case, dtype: Dtype, tile: Tile) -> Outcome {
    let config = case.weights.config();
    let mut first: Option<CallGradients> = None;
    for schedule in [Schedule::Stepwise, Schedule::Paired] {
        let what = format!("{config:?}, tile {tile}, {dtype:?}, {}", schedule.name());
        let tuning = Tuning { schedule: Some(schedule), step: Some(tile), gemm: None };
        let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(dtype)?.with_tuning(tuning)?;
        let (output, mut saved) = match rnn.forward_saved(&case.call()) {
            Err(Error::Unsupported { name: "schedule", .. }) => continue,
            other => other?,
        };
        let workload = Workload { saves: Some(Save::Gates), tuning, dtype, ..Workload::new(3, 35) };
        let plan = Plan::of(config, &workload, &engine.limits().ok_or("no GPU")?)?;
        if !plan.passes().any(|pass| pass.dispatches.iter().any(|one| one.tile == tile)) {
            return Err(format!("{what}: not in parts:\n{plan}").into());
        }
        let given = Given::drawn(&output, 7);
        let ours = rnn.backward(&mut saved, &given.gradients())?;
        let difference = match dtype {
            Dtype::F32 => difference_of_gradients,
            Dtype::F16 => difference_of_half,
        };
        match &first {
            None => difference(&ours, &judge(case, &given)).map_err(|error| format!("{what}: {error}"))?,
            Some(first) if *first == ours => {}
            Some(_) => return Err(format!("{what}: other bits").into()),
        }
        first = first.or(Some(ours));
    }
    Ok(())
}

/// More steps and rows than are summed at once, of every cell.
fn long_sums(engine: &Engine) -> Outcome {
    for cell in Cell::ALL {
        let mut long = case(&Config::new(cell, 5).bidirectional().input_size(3), 90, 13, 71);
        long.lengths = Some((0..13).map(|row| 90 - 3 * row).collect());
        check(engine, &long).map_err(|failed| said(&cell.to_string(), failed))?;
    }
    Ok(())
}

/// More batch rows than a kernel's loop has turns: gradients by learned states and peepholes are sums over
/// them.
fn large_batch(engine: &Engine) -> Outcome {
    let mut large = case(&Config::lstm(2).peepholes().learned_state().input_size(1), 1, 33_001, 72);
    large.state = None;
    check(engine, &large)
}

/// Partial sums that do not fit into a binding at once, beside the CPU engine, since no tape is so long.
fn partial_sums_in_turn(_: &Engine) -> Outcome {
    // Room for all steps in one segment, and for one partial sum of 4,243,584 bytes.
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 8_450_000, ..Default::default() };
    let (device, queue) = own_device(limits, wgpu::Features::empty())?;
    let large = case(&Config::rnn_tanh(1028).input_size(1028), 1025, 1, 73);
    let of = |engine: &Engine| -> Result<_, Failed> {
        let rnn = Rnn::new(engine, large.weights.clone());
        let (output, mut saved) = rnn.forward_saved(&large.call())?;
        Ok(rnn.backward(&mut saved, &Given::drawn(&output, 7).gradients())?)
    };
    let (ours, theirs) = (of(&Engine::from_device(device, queue))?, of(&Engine::cpu())?);
    let pairs = || ours.weights.as_slice().iter().zip(theirs.weights.as_slice());
    let largest = pairs().fold(0.0_f32, |most, (_, number)| most.max(number.abs()));
    match pairs().find(|(ours, theirs)| (*ours - *theirs).abs() > 1e-5 * largest) {
        Some((ours, theirs)) => Err(format!("{ours}, and the CPU engine {theirs}").into()),
        None => Ok(()),
    }
}

/// Segments of several partial sums give the gradients of a call in one segment, to the bit.
fn segments_do_not_change_bits(whole: &Engine) -> Outcome {
    // Room for 17 of 45 steps of the LSTM; a partial sum is over 8 steps.
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 300 << 10, ..Default::default() };
    let (device, queue) = own_device(limits, wgpu::Features::empty())?;
    let small = Engine::from_device(device, queue);
    for cell in Cell::ALL {
        let mut case = case(&Config::new(cell, 8).num_layers(2).bidirectional().input_size(3), 45, 128, 74);
        case.lengths = Some((0..128).map(|row| row * 45 / 127).collect());
        let of = |engine: &Engine, save| -> Result<_, Failed> {
            let rnn = Rnn::new(engine, case.weights.clone());
            let (output, mut saved) = rnn.forward_saving(&case.call(), save)?;
            Ok(rnn.backward(&mut saved, &Given::drawn(&output, 7).gradients())?)
        };
        for save in Save::ALL {
            let plan = |engine: &Engine| {
                let workload = Workload { saves: Some(save), has_lengths: true, ..Workload::new(45, 128) };
                Plan::of(case.weights.config(), &workload, &engine.limits().expect("a GPU"))
            };
            let borders = plan(&small)?.passes().filter(|pass| pass.label.ends_with("border back")).count();
            if borders == 0 || plan(whole)?.passes().any(|pass| pass.label.ends_with("border back")) {
                return Err(format!("{cell}: {borders} borders of segments").into());
            }
            let (one, several) = (of(whole, save)?, of(&small, save)?);
            if one != several {
                let weights = one.weights.as_slice().iter().zip(several.weights.as_slice());
                let other = weights.filter(|(a, b)| a.to_bits() != b.to_bits()).count();
                return Err(format!("{cell}, {save:?}: other bits, {other} of the weights' gradients").into());
            }
        }
    }
    Ok(())
}

/// The output of a saved call is that of any other, and its gradients are the tape's.
fn check(engine: &Engine, case: &Case) -> Outcome {
    let rnn = Rnn::new(engine, case.weights.clone());
    let (output, mut saved) = rnn.forward_saved(&case.call())?;
    if output != rnn.call(&case.call())? {
        return Err("a saved call gives another output".into());
    }
    let given = Given::drawn(&output, 7);
    let ours = rnn.backward(&mut saved, &given.gradients())?;
    difference_of_gradients(&ours, &judge(case, &given))?;
    // With states alone, made again to the bit on the CPU engine.
    let (output_too, mut saved) = rnn.forward_saving(&case.call(), Save::States)?;
    let again = rnn.backward(&mut saved, &given.gradients())?;
    if output_too != output || (!engine.is_gpu() && again != ours) {
        return Err("other bits with states alone".into());
    }
    Ok(difference_of_gradients(&again, &judge(case, &given)).map_err(|error| format!("states: {error}"))?)
}
