//! The packed weights of a network: what the device has, against the tensors, number by number; and flat
//! parameters that take several buffers. Runs as `engines/` does, and under the same variables.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/engines.rs"]
mod engines;
mod layout;

use common::{F32, HALF, NORM, case, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials, own_device};
use layout::Tensors;
use libtest_mimic::Failed;
use std::collections::{HashMap, HashSet};
use wgpu_rnn::inspect::{Buffer, Content, KernelWeight, WeightPart, packed_weights};
use wgpu_rnn::{
    Cell, Config, Directions, Dtype, Engine, Limits, Merge, Naming, Plan, Reset, Rnn, Save, Schedule,
    Weights, Workload,
};

fn main() {
    let mut trials = Trials::new();
    for offer in [Offer::All, Offer::WebGpuDefaults, Offer::Unchecked] {
        for dtype in [Dtype::F32, Dtype::F16] {
            if matches!((offer, dtype), (Offer::WebGpuDefaults, Dtype::F16)) {
                continue;
            }
            let test = move |engine: &Engine| {
                networks().iter().try_for_each(|config| packed_as_kernels_read(engine, config, dtype))
            };
            trials.add(offer, &format!("every_number_is_in_its_place_{}", dtype.name()), test);
        }
        trials.add(offer, "one_set_for_all_schedules", one_set_for_all_schedules);
        trials.add(offer, "flat_parameters_are_freed", flat_parameters_are_freed);
    }
    trials.add(Offer::WebGpuDefaults, "parameters_of_many_buffers", |_| many_buffers());
    trials.add(Offer::All, "cuts_lie_between_tensors", |_| cuts_lie_between_tensors());
    trials.add(Offer::All, "training_steps_pack_the_weights_that_they_read", |_| training_packs());
    trials.run();
}

/// Every cell, and every option that a packed weight depends on; sizes that fill neither block nor vector.
fn networks() -> Vec<Config> {
    let mut all: Vec<Config> =
        Cell::ALL.map(|cell| Config::new(cell, 13).num_layers(2).bidirectional().input_size(7)).into();
    let mut reverse = Config::gru(8).input_size(4);
    reverse.directions = Directions::Reverse;
    all.extend([
        Config::lstm(13).input_size(7),
        reverse,
        Config::lstm(11).num_layers(2).bidirectional().proj_size(5).peepholes().input_size(3),
        Config::lstm(13).num_layers(2).bidirectional().layer_norm().input_size(7),
        Config::lstm(9).layer_norm().peepholes().proj_size(3).input_size(5),
        Config::lstm(9).layer_norm().without_bias().input_size(5),
        Config::lstm(70).without_bias().input_size(67),
        Config::gru(13).num_layers(2).bidirectional().gru_reset(Reset::Before).input_size(7),
        Config::gru(17).num_layers(3).bidirectional().merge(Merge::Sum).input_size(1),
        Config::stack(&[(Cell::Gru, 5), (Cell::Lstm, 19), (Cell::Gru, 3)]).bidirectional().input_size(33),
        // Longer rows than an invocation goes along.
        Config::gru(3).input_size(1031),
    ]);
    all
}

fn has_half(engine: &Engine) -> bool {
    engine.limits().is_some_and(|limits| limits.f16)
}

fn called(engine: &Engine, config: &Config, dtype: Dtype) -> Result<(Rnn, Weights), Failed> {
    let case = case(config, 3, 2, 5);
    let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(dtype)?;
    rnn.call(&case.call())?;
    Ok((rnn, case.weights))
}

fn packed_as_kernels_read(engine: &Engine, config: &Config, dtype: Dtype) -> Outcome {
    if dtype == Dtype::F16 && !has_half(engine) {
        return Ok(());
    }
    let (rnn, weights) = called(engine, config, dtype)?;
    if dtype == Dtype::F32 {
        rnn.forward_saved(&case(config, 3, 2, 5).call())?;
    }
    all_in_place(engine, &rnn, &weights, dtype)
}

/// Compares all packed weights of a network with its tensors.
fn all_in_place(engine: &Engine, rnn: &Rnn, weights: &Weights, dtype: Dtype) -> Outcome {
    let mut seen = HashSet::new();
    for (key, buffer) in packed_weights(rnn) {
        let dtype = key.part.dtype(dtype);
        let numbers = numbers(&read(engine, &buffer)?, dtype);
        for (index, numbers) in numbers.chunks(numbers.len() / key.count).enumerate() {
            let is_software = engine.limits().is_some_and(|limits| limits.machine.is_software);
            let together = if is_software { 4 } else { 1 };
            let tensors = Tensors::new(weights, key, key.first + index, together);
            let mut written = 0;
            for (at, &found) in numbers.iter().enumerate() {
                let expected = tensors.number(key.part, at);
                written += usize::from(expected != 0.0);
                if !is_stored_as(found, expected, dtype) {
                    let place = format!("{:?}, {key:?}, direction {index}, number {at}", weights.config());
                    return Err(format!("{place}: {found}, expected {expected}").into());
                }
            }
            if weights.config().bias && written == 0 {
                return Err(format!("{key:?}: no number is expected").into());
            }
            if !seen.insert((key.layer, key.first + index, key.part)) {
                return Err(format!("{key:?}: twice").into());
            }
        }
    }
    // Each slot has an input's weight and a recurrent one at least, and the transpose of the latter.
    let slots = weights.slots().len();
    if seen.len() < slots * if dtype == Dtype::F32 { 3 } else { 2 } {
        Err(format!("{} weights of {slots} slots", seen.len()).into())
    } else {
        Ok(())
    }
}

/// A half number may be either neighbour: WGSL leaves the rounding open.
fn is_stored_as(found: f32, expected: f32, dtype: Dtype) -> bool {
    match dtype {
        Dtype::F32 => found.to_bits() == expected.to_bits() || (found == 0.0 && expected == 0.0),
        Dtype::F16 => (found - expected).abs() <= expected.abs() / 1024.0 + 6e-8,
    }
}

fn numbers(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytes.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect(),
        Dtype::F16 => {
            bytes.chunks(2).map(|b| half::f16::from_ne_bytes(b.try_into().unwrap()).to_f32()).collect()
        }
    }
}

/// The bytes of a buffer.
fn read(engine: &Engine, buffer: &wgpu::Buffer) -> Result<Vec<u8>, Failed> {
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: buffer.size(),
        usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |result| result.unwrap());
    device.poll(wgpu::PollType::wait_indefinitely())?;
    Ok(staging.get_mapped_range(..)?.to_vec())
}

/// Every schedule reads the same buffers, and every plan asks for weights of the set.
fn one_set_for_all_schedules(engine: &Engine) -> Outcome {
    let limits = engine.limits().ok_or("no GPU")?;
    let mut schedules = 0;
    for config in networks() {
        let (rnn, _) = called(engine, &config, Dtype::F32)?;
        let first: HashMap<_, _> = packed_weights(&rnn).into_iter().collect();
        let keys: HashSet<KernelWeight> = first.keys().copied().collect();
        for schedule in Schedule::ALL {
            let workload = Workload { tuning: schedule.into(), ..Workload::new(4, 3) };
            let Ok(plan) = Plan::of(&config, &workload, &limits) else { continue };
            let asked = plan.buffers.iter().filter_map(|buffer| match buffer.content {
                Content::Weight(weight) => Some(weight),
                _ => None,
            });
            let asked: HashSet<KernelWeight> = asked.collect();
            if asked != keys {
                return Err(format!("{}, {}: {asked:?}, packed {keys:?}", plan.title, schedule.name()).into());
            }
            let other = rnn.clone().with_tuning(schedule)?;
            other.call(&case(&config, 4, 3, 6).call())?;
            if packed_weights(&other).into_iter().collect::<HashMap<_, _>>() != first {
                return Err(format!("{}, {}: other buffers", plan.title, schedule.name()).into());
            }
            schedules += 1;
        }
    }
    if schedules < 2 * networks().len() { Err(format!("{schedules} schedules").into()) } else { Ok(()) }
}

/// After a call the device holds the buffers of its plan, and no flat parameters.
fn flat_parameters_are_freed(engine: &Engine) -> Outcome {
    let device = engine.device().ok_or("no GPU")?;
    let limits = engine.limits().ok_or("no GPU")?;
    let config = Config::lstm(128).num_layers(2).input_size(100);
    // A device of its own, since others run beside this test.
    let (own, queue) = own_device(device.limits(), device.features())?;
    let own_engine = Engine::from_device(own.clone(), queue);
    let memory = || own.get_internal_counters().hal.buffer_memory.read() as u64;
    let before = memory();
    let (rnn, _) = called(&own_engine, &config, Dtype::F32)?;
    own.poll(wgpu::PollType::wait_indefinitely())?;
    let (after, packing) = (memory() - before, Plan::packing(&config, Dtype::F32, &limits)?);
    let workload = Workload { has_lengths: false, ..Workload::new(3, 2) };
    let plan = Plan::of(&config, &workload, &limits)?;
    let flat = packing.buffers.iter().filter(|buffer| matches!(buffer.content, Content::Parameters { .. }));
    let flat: u64 = flat.map(|buffer| buffer.bytes()).sum();
    drop(rnn);
    // Beside the plan's buffers there are tables of sizes and steps, and wgpu's own.
    if flat < 900_000 || after < plan.buffer_bytes() || after > plan.buffer_bytes() + flat / 2 {
        let expected = format!("{} and a little, flat {flat}", plan.buffer_bytes());
        return Err(format!("{after} bytes on the device, expected {expected}").into());
    }
    Ok(())
}

/// Networks of many times the largest buffer, and tensors that are longer than a binding, or than a buffer.
fn many_buffers() -> Outcome {
    for (buffer, binding) in [(256 << 10, 64 << 10), (64 << 10, 64 << 10), (100 << 10, 50_000)] {
        let limits = wgpu::Limits {
            max_buffer_size: buffer,
            max_storage_buffer_binding_size: binding,
            ..Default::default()
        };
        let (device, queue) = own_device(limits, wgpu::Features::SHADER_F16)?;
        let engine = Engine::from_device(device, queue);
        let limits = engine.limits().ok_or("no GPU")?;
        for (config, dtype) in [
            (Config::lstm(33).num_layers(6).bidirectional().input_size(37), Dtype::F32),
            (Config::gru(61).num_layers(7).bidirectional().merge(Merge::Sum).input_size(13), Dtype::F32),
            (Config::lstm(47).num_layers(9).layer_norm().input_size(43), Dtype::F32),
            (Config::lstm(73).num_layers(6).input_size(70), Dtype::F16),
            (Config::gru(83).num_layers(5).gru_reset(Reset::Before).input_size(79), Dtype::F16),
        ] {
            if dtype == Dtype::F16 && !limits.f16 {
                continue;
            }
            let packing = Plan::packing(&config, dtype, &limits)?;
            let flat = packing.buffers.iter().filter(|of| matches!(of.content, Content::Parameters { .. }));
            let (count, longest) = (flat.clone().count(), flat.map(|of| of.bytes()).max());
            if count < 3 || longest.is_none_or(|longest| longest > buffer) {
                return Err(format!("{}: {count} buffers, {longest:?}", packing.title).into());
            }
            let dispatches = packing.passes().flat_map(|pass| pass.dispatches.iter());
            for range in dispatches.flat_map(|one| &one.bindings).filter_map(|binding| binding.range) {
                if range.0 % 256 != 0 || range.1 > binding {
                    return Err(format!("{}: a binding of {range:?}", packing.title).into());
                }
            }
            let case = case(&config, 3, 2, 7);
            let rnn = Rnn::new(&engine, case.weights.clone()).with_dtype(dtype)?;
            let ours = rnn.call(&case.call())?;
            let tolerance = match dtype {
                Dtype::F16 => HALF,
                Dtype::F32 if config.layer_norm => NORM,
                Dtype::F32 => F32,
            };
            difference_of_outputs(&ours, &reference(&case), tolerance)
                .map_err(|reason| format!("{}: {reason}", packing.title))?;
            all_in_place(&engine, &rnn, &case.weights, dtype)?;
        }
    }
    Ok(())
}

/// The flat parameters are cut where a buffer is full, and within a tensor only where the tensor alone is too
/// long.
fn cuts_lie_between_tensors() -> Outcome {
    let config = Config::lstm(60).num_layers(3).bidirectional().input_size(41);
    let weights = Weights::init(&config, &wgpu_rnn::Init::pytorch())?;
    // The first number of each tensor, and the one after its last.
    let mut tensors = Vec::new();
    let mut next = 0;
    for (_, tensor) in weights.tensors(Naming::PyTorch) {
        tensors.push((next, next + tensor.len()));
        next = (next + tensor.len()).next_multiple_of(64);
    }
    for (kib, may_cut) in
        [(120_u64, false), (200, false), (256, false), (4096, false), (64, true), (61, true), (100, true)]
    {
        let limits = Limits { max_buffer_bytes: kib << 10, f16: true, ..Limits::default() };
        let longest = (kib << 10) as usize / 4;
        let plan = Plan::packing(&config, if may_cut { Dtype::F16 } else { Dtype::F32 }, &limits)?;
        let buffers = plan.buffers.iter().filter_map(|buffer| match buffer.content {
            Content::Parameters { first } => Some((first, first + buffer.len as usize)),
            _ => None,
        });
        let buffers: Vec<_> = buffers.collect();
        let is_wrong = |pair: &[(usize, usize)]| {
            let [(first, _), (start, _)] = *pair else { return true };
            // The tensor that the cut lies before, or in.
            let &(begins, ends) = tensors.iter().find(|(_, end)| *end > start).unwrap();
            let is_between = begins == start && ends - first > longest;
            !(is_between || ends - begins > longest)
        };
        let cuts = buffers.windows(2).filter(|pair| is_wrong(pair)).count();
        let (all, last) = (tensors.last().unwrap().1, buffers.last().unwrap().1);
        let within = buffers.iter().filter(|(start, _)| !tensors.iter().any(|(begin, _)| begin == start));
        if cuts > 0 || last != all || (within.count() > 0) != may_cut {
            return Err(format!("buffers of {kib} KiB: {buffers:?}, tensors {tensors:?}").into());
        }
    }
    Ok(())
}

/// The weights of a saved call and its backward pass, but for the gradient by the input, are those that a
/// training step packs.
fn training_packs() -> Outcome {
    for config in networks() {
        for save in [Save::Gates, Save::States] {
            let limits = Limits::default();
            let workload = Workload { saves: Some(save), ..Workload::new(5, 3) };
            let read = weights_of(&Plan::of(&config, &workload, &limits)?);
            let by_input = |key: &KernelWeight| key.part == WeightPart::TransposedInput && key.layer == 0;
            let read: HashSet<_> = read.into_iter().filter(|key| !by_input(key)).collect();
            let packed = weights_of(&Plan::packing_for_training(&config, Dtype::F32, &limits, save)?);
            if read != packed {
                return Err(format!("{config:?}, {save:?}: {read:?} are read, {packed:?} packed").into());
            }
        }
    }
    Ok(())
}

fn weights_of(plan: &Plan) -> HashSet<KernelWeight> {
    let weight = |buffer: &Buffer| match buffer.content {
        Content::Weight(key) => Some(key),
        _ => None,
    };
    plan.buffers.iter().filter_map(weight).collect()
}
