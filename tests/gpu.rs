//! The engines against the reference in double precision, and by properties that need no reference.
//!
//! All of it runs on the best adapter (or `WGPU_ADAPTER_NAME`), with all it offers, within WebGPU's defaults, and without wgpu's
//! checks in the kernels; and all that is not of the GPU alone on the CPU engine.
//! `WGPU_RNN_GPU=skip` skips these tests, by name and count; without it, a machine without an adapter fails them.

mod common;
#[path = "common/engines.rs"]
mod engines;
#[path = "common/goldens.rs"]
mod goldens;
#[path = "common/notebook.rs"]
mod notebook;

use common::{Case, F32, all_finite, case, difference, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials, own_device};
use libtest_mimic::Failed;
use ndarray::{Array3, Axis, ShapeBuilder, concatenate, s};
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use wgpu_rnn::inspect::{Equation, Kernel, Read, Tile};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Directions, Engine, Error, Layout, Output, Packed, Rnn, Schedule, State,
    Tuning, Weights,
};

type CellTest = fn(&Engine, Cell) -> Outcome;
type Test = fn(&Engine) -> Outcome;

fn main() {
    let mut trials = Trials::new();
    for offer in [Offer::All, Offer::WebGpuDefaults, Offer::Unchecked, Offer::Cpu] {
        let mut add = |name: String, test: Box<dyn FnOnce(&Engine) -> Outcome + Send>| {
            trials.add(offer, &name, test);
        };
        for cell in Cell::ALL {
            let tests: [(&str, CellTest); 8] = [
                ("equals_the_reference_at_edges", edges),
                ("equals_the_reference_anywhere", anywhere),
                ("rows_are_independent", rows_are_independent),
                ("reverse_is_forward_on_reversed_input", reverse_is_forward_reversed),
                ("a_run_equals_two_joined_by_the_state", joined_runs),
                ("saturates", saturates),
                ("a_nan_stays_one", nan_stays),
                ("wrong_weights_are_seen", wrong_weights_are_seen),
            ];
            for (name, test) in tests {
                if name == "saturates" && cell == Cell::Vanilla(Activation::Relu) {
                    continue; // it grows without bounds: see relu_overflows
                }
                add(format!("{}::{name}", cell.name()), Box::new(move |engine| test(engine, cell)));
            }
        }
        let tests: [(&str, Test); 13] = [
            ("a_nearly_shut_gate_is_right", sigmoid_tail),
            ("activations_are_right_to_their_digits", activations_digits),
            ("lengths_change_from_call_to_call", changing_lengths),
            ("a_clip_stops_a_nan_where_it_is_told_to", nan_in_clip),
            ("a_hundred_thousand_steps", hundred_thousand_steps),
            ("four_thousand_units", four_thousand_units),
            ("equals_every_framework", every_framework),
            ("lengths_are_as_if_each_row_were_alone", lengths_alone),
            ("any_strides_will_do", any_strides),
            ("packed_sequences_are_padded_ones", packed_sequences),
            ("notebook_equals_mxnet", |engine| {
                let schedules = Schedule::ALL.map(Some).into_iter().chain([None]);
                Ok(schedules.into_iter().try_for_each(|schedule| notebook::check(engine, schedule))?)
            }),
            ("relu_overflows_where_the_reference_does", relu_overflows),
            ("async_equals_blocking", async_equals_blocking),
        ];
        let of_gpus: [(&str, Test); 10] = [
            ("a_profile_is_a_call_and_its_passes", profile),
            ("every_tile_by_name", every_tile),
            ("schedules_are_equal_to_the_last_bit", schedules_are_equal),
            ("lengths_on_the_gpu_are_lengths", lengths_on_gpu),
            ("same_call_twice_is_bit_identical_and_makes_no_object", steady_state),
            ("many_steps_take_several_submits", many_steps),
            ("long_products_are_cut", long_products),
            ("too_large_is_an_error", too_large),
            ("a_callers_device_serves", callers_device),
            ("a_lost_device_is_an_error", lost_device),
        ];
        let of_gpus = of_gpus.into_iter().filter(|_| offer.needs_gpu());
        for (name, test) in tests.into_iter().chain(of_gpus) {
            add(name.to_owned(), Box::new(test));
        }
    }
    trials.add(Offer::All, "is_chosen_by_name", Box::new(adapter_by_name));
    trials.run();
}

fn run(engine: &Engine, case: &Case) -> Result<Output, Failed> {
    let rnn = Rnn::new(engine, case.weights.clone());
    let answer = rnn.call(&case.call())?;
    if *answer.engine != *engine.name() || engine.name().contains("reference") {
        return Err(format!("the answer comes from {}, not from {}", answer.engine, engine.name()).into());
    }
    Ok(answer)
}

fn equals_reference(engine: &Engine, case: &Case) -> Outcome {
    let theirs = reference(case);
    Ok(difference_of_outputs(&run(engine, case)?, &theirs, F32.scaled_to(&theirs))?)
}

/// (L, both directions, T, N, I, H): ones, primes, around tiles of 4, 8, 16 and 32 rows, blocks of 8 units, vectors of 4,
/// and a workgroup of 64 invocations.
const EDGES: [(usize, bool, usize, usize, usize, usize); 18] = [
    (1, false, 1, 1, 1, 1),
    (1, true, 1, 1, 1, 1),
    (3, true, 5, 3, 7, 13),
    (2, false, 5, 3, 7, 13),
    (1, true, 1, 3, 7, 13),
    (1, true, 5, 1, 7, 13),
    (1, false, 3, 2, 3, 4),
    (1, false, 3, 4, 4, 5),
    (2, true, 3, 5, 5, 7),
    (1, true, 3, 7, 8, 8),
    (1, false, 3, 8, 9, 9),
    (1, true, 3, 9, 3, 15),
    (1, false, 2, 15, 3, 16),
    (2, true, 2, 17, 3, 17),
    (1, true, 2, 31, 2, 63),
    (1, false, 2, 33, 2, 64),
    (1, true, 2, 2, 2, 65),
    (2, true, 2, 5, 66, 131),
];

fn edges(engine: &Engine, cell: Cell) -> Outcome {
    for (index, (layers, both, steps, batch, features, hidden)) in EDGES.into_iter().enumerate() {
        let directions = if both { Directions::Both } else { Directions::Forward };
        let config = Config::new(cell, hidden).num_layers(layers).directions(directions).input_size(features);
        let case = case(&config, steps, batch, index as u32);
        equals_reference(engine, &case)
            .map_err(|failed| format!("T {steps}, N {batch}, {config:?}: {failed:?}"))?;
    }
    Ok(())
}

fn anywhere(engine: &Engine, cell: Cell) -> Outcome {
    let config = (1..=3_usize, any::<bool>(), any::<bool>(), any::<bool>(), 1..=40_usize, 1..=40_usize);
    let strategy = (config, 1..=9_usize, 1..=40_usize, any::<u32>());
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..Default::default() };
    // The same cases everywhere.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result =
        runner.run(&strategy, |((layers, both, ntc, bias, features, hidden), steps, batch, seed)| {
            let mut config = Config::new(cell, hidden).num_layers(layers).input_size(features);
            config.directions = if both { Directions::Both } else { Directions::Forward };
            config.layout = if ntc { Layout::Ntc } else { Layout::Tnc };
            config.bias = bias;
            let outcome = equals_reference(engine, &case(&config, steps, batch, seed));
            outcome.map_err(|failed| TestCaseError::fail(failed.message().unwrap_or("failed").to_owned()))
        });
    result.map_err(|error| error.to_string().into())
}

/// Does the same to h and c.
fn each(state: &State, change: impl Fn(&Array3<f32>) -> Array3<f32>) -> State {
    State { h: change(&state.h), c: state.c.as_ref().map(change) }
}

fn primes(cell: Cell) -> Config {
    Config::new(cell, 13).num_layers(2).bidirectional().input_size(7)
}

/// Each row of a batch is what it is alone and in any other place, to the last bit where the tiles are the same.
fn rows_are_independent(engine: &Engine, cell: Cell) -> Outcome {
    let whole = case(&primes(cell), 5, 11, 3);
    let answer = run(engine, &whole)?;
    let order: Vec<usize> = (0..11).map(|row| (row * 4 + 5) % 11).collect();
    let pick = |array: &Array3<f32>| array.select(Axis(1), &order);
    let permuted = Case {
        input: pick(&whole.input),
        state: whole.state.as_ref().map(|state| each(state, pick)),
        lengths: None,
        ..whole.clone()
    };
    let permuted = run(engine, &permuted)?;
    if permuted.output != pick(&answer.output) || permuted.h_n != pick(&answer.h_n) {
        return Err("a permuted batch does not permute the output".into());
    }
    let row = |array: &Array3<f32>| array.slice(s![.., 4..5, ..]).to_owned();
    let alone = Case {
        input: row(&whole.input),
        state: whole.state.as_ref().map(|state| each(state, row)),
        lengths: None,
        ..whole.clone()
    };
    Ok(difference("a row alone", &run(engine, &alone)?.output, &row(&answer.output), F32)?)
}

fn reversed(array: &Array3<f32>) -> Array3<f32> {
    array.slice(s![..;-1, .., ..]).to_owned()
}

fn reverse_is_forward_reversed(engine: &Engine, cell: Cell) -> Outcome {
    let both = case(&Config::new(cell, 13).bidirectional().input_size(7), 5, 3, 4);
    let answer = run(engine, &both)?;
    let tensors = both
        .weights
        .tensors(wgpu_rnn::Naming::PyTorch)
        .filter_map(|(name, tensor)| Some((name.strip_suffix("_reverse")?.to_owned(), tensor.to_owned())));
    let second = |array: &Array3<f32>| array.slice(s![1..2, .., ..]).to_owned();
    let forward = Case {
        weights: Weights::reader().activation(cell.activation()).from_tensors(tensors)?,
        input: reversed(&both.input),
        state: both.state.as_ref().map(|state| each(state, second)),
        lengths: None,
        ..both.clone()
    };
    let forward = run(engine, &forward)?;
    let reverse_half = answer.output.slice(s![.., .., 13..]).to_owned();
    difference("output", &reverse_half, &reversed(&forward.output), F32)?;
    if answer.h_n.index_axis(Axis(0), 1) != answer.output.slice(s![0, .., 13..]) {
        return Err("the reverse final state is not the output at t = 0".into());
    }
    Ok(difference("h_n", &second(&answer.h_n), &forward.h_n, F32)?)
}

fn joined_runs(engine: &Engine, cell: Cell) -> Outcome {
    let whole = case(&Config::new(cell, 13).num_layers(2).input_size(7), 9, 3, 5);
    let answer = run(engine, &whole)?;
    let rnn = Rnn::new(engine, whole.weights.clone());
    let (early, late) = whole.input.view().split_at(Axis(0), 4);
    let first = rnn.forward(&early, whole.state.as_ref())?;
    let second = rnn.forward(&late, Some(&first.state()))?;
    let joined = concatenate(Axis(0), &[first.output.view(), second.output.view()])?;
    if joined != answer.output || second.h_n != answer.h_n || second.c_n != answer.c_n {
        return Err("two runs joined by the state are not the whole run".into());
    }
    Ok(())
}

/// Inputs and weights up to 1e4, where f32's own tanh and exp leave their domain.
fn saturates(engine: &Engine, cell: Cell) -> Outcome {
    for (weight_scale, input_scale) in [(1e4, 1e4), (1.0, 1e4), (1e4, 1e-2), (300.0, 1.0)] {
        let mut case = case(&primes(cell), 5, 3, 6);
        let tensors = case.weights.tensors(wgpu_rnn::Naming::PyTorch);
        let tensors = tensors.map(|(name, tensor)| (name, tensor.mapv(|w| w * weight_scale)));
        case.weights = Weights::reader().activation(cell.activation()).from_tensors(tensors)?;
        case.input *= input_scale;
        let answer = run(engine, &case)?;
        if !all_finite(&answer) {
            return Err(format!("not finite at weights {weight_scale:e}, input {input_scale:e}").into());
        }
        // Sums of this size err by their own rounding; where the gates saturate that is not seen.
        let tolerance = common::Tolerance { atol: 2e-3, rtol: 1e-3 };
        difference_of_outputs(&answer, &reference(&case), tolerance)?;
    }
    Ok(())
}

/// Negative controls: the GPU with wrong weights must differ from the reference with the right ones.
fn wrong_weights_are_seen(engine: &Engine, cell: Cell) -> Outcome {
    let right = case(&primes(cell), 5, 3, 14);
    let theirs = reference(&right);
    let control = |what: &str, change: &dyn Fn(&str, &mut ndarray::ArrayD<f32>) -> String| -> Outcome {
        let tensors = right.weights.tensors(wgpu_rnn::Naming::PyTorch).map(|(name, tensor)| {
            let mut tensor = tensor.to_owned();
            (change(&name, &mut tensor), tensor)
        });
        let weights = Weights::reader().activation(cell.activation()).from_tensors(tensors)?;
        let wrong = Case { weights, ..right.clone() };
        match difference_of_outputs(&run(engine, &wrong)?, &theirs, F32) {
            Err(_) => Ok(()),
            Ok(()) => Err(format!("{what} is not seen").into()),
        }
    };
    control("one weight off by 1e-2", &|name, tensor| {
        if name == "weight_ih_l1" {
            tensor.slice_mut(s![.., 3]).mapv_inplace(|weight| weight + 1e-2);
        }
        name.to_owned()
    })?;
    control("a dropped bias", &|name, tensor| {
        if name == "bias_hh_l0" {
            tensor.fill(0.0);
        }
        name.to_owned()
    })?;
    control("a swapped direction", &|name, _| match name.strip_suffix("_reverse") {
        Some(forward) => forward.to_owned(),
        None => format!("{name}_reverse"),
    })
}

/// And in its own row of the batch alone.
fn nan_stays(engine: &Engine, cell: Cell) -> Outcome {
    let mut case = case(&Config::new(cell, 13).input_size(7), 5, 3, 13);
    case.input[[2, 1, 0]] = f32::NAN;
    let answer = run(engine, &case)?;
    let theirs = reference(&case);
    for ((index, ours), theirs) in answer.output.indexed_iter().zip(&theirs.output) {
        if ours.is_nan() != theirs.is_nan() {
            return Err(format!("at {index:?} ours {ours:e}, the reference {theirs:e}").into());
        }
    }
    if theirs.output[[4, 1, 0]].is_nan() && answer.h_n[[0, 0, 0]].is_finite() {
        return Ok(());
    }
    Err("the NaN did not stay in its row".into())
}

fn relu_overflows(engine: &Engine) -> Outcome {
    // h doubles its magnitude by 1e9 a step: infinite after four steps and some, in f32 on both sides.
    let tensors = [
        ("weight_ih_l0".to_owned(), ndarray::arr2(&[[1e9_f32], [1e3]]).into_dyn()),
        ("weight_hh_l0".to_owned(), ndarray::arr2(&[[1e9_f32, 0.0], [0.0, 1e9]]).into_dyn()),
    ];
    let weights = Weights::reader().activation(wgpu_rnn::Activation::Relu).from_tensors(tensors)?;
    let input = Array3::ones((7, 1, 1));
    let ours = Rnn::new(engine, weights.clone()).forward(&input, None)?.output;
    let theirs = wgpu_rnn::reference::forward(&weights, &input, None)?.output;
    let finite = theirs.iter().filter(|number| number.is_finite()).count();
    if finite == theirs.len() || finite == 0 {
        return Err("the reference does not overflow half-way".into());
    }
    for ((index, ours), theirs) in ours.indexed_iter().zip(&theirs) {
        if ours.is_finite() != theirs.is_finite() {
            return Err(format!("at {index:?} ours {ours:e}, the reference {theirs:e}").into());
        }
    }
    Ok(())
}

fn every_framework(engine: &Engine) -> Outcome {
    for case in goldens::ALL.into_iter().flat_map(goldens::Golden::all) {
        case.check::<f32>(F32, &mut |weights, call| Rnn::new(engine, weights.clone()).call(call))?;
    }
    Ok(())
}

/// A row's result is the same to the last bit, whatever stands past its end, and whatever the other rows are; and what is past
/// its end is zero.
fn lengths_alone(engine: &Engine) -> Outcome {
    for cell in Cell::ALL {
        let mut whole = case(&primes(cell), 9, 5, 15);
        let lengths = [4, 0, 7, 1, 5];
        whole.lengths = Some(lengths.to_vec());
        let answer = run(engine, &whole)?;
        // Other numbers past the ends, NaN among them, more steps of padding, and other neighbours.
        let mut other = case(&primes(cell), 12, 5, 16);
        let mut other_lengths = [12, 0, 12, 1, 2];
        for row in [0, 2, 4] {
            let steps = s![..lengths[row], row, ..];
            other.input.slice_mut(steps).assign(&whole.input.slice(steps));
            other.input.slice_mut(s![lengths[row].., row, ..]).fill(f32::NAN);
            other_lengths[row] = lengths[row];
        }
        other.weights = whole.weights.clone();
        other.state = whole.state.clone();
        other.lengths = Some(other_lengths.to_vec());
        let padded = run(engine, &other)?;
        for row in [0, 2, 4] {
            let of = |array: &Array3<f32>, steps| array.slice(s![..steps, row, ..]).to_owned();
            let slots = answer.h_n.dim().0;
            if of(&answer.output, 9) != of(&padded.output, 9)
                || of(&answer.h_n, slots) != of(&padded.h_n, slots)
            {
                return Err(format!("{cell:?}: row {row} depends on what is past its end").into());
            }
        }
        for (row, &length) in lengths.iter().enumerate() {
            if !answer.output.slice(s![length.., row, ..]).iter().all(|&number| number == 0.0) {
                return Err(format!("{cell:?}: row {row} is not zero past its end").into());
            }
        }
        if answer.h_n.slice(s![.., 1, ..]) != whole.state.as_ref().unwrap().h.slice(s![.., 1, ..]) {
            return Err(format!("{cell:?}: an empty sequence changes its state").into());
        }
        equals_reference(engine, &whole)?;
        // None at all.
        whole.lengths = Some(vec![0; 5]);
        equals_reference(engine, &whole)?;
    }
    Ok(())
}

/// Nothing of one call is left in the next one, whose sequences are shorter; and a call with other lengths makes no object.
fn changing_lengths(engine: &Engine) -> Outcome {
    let config = Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    for config in [config.clone(), config.clone().layer_norm(), config.proj_size(5).residual()] {
        let mut case = case(&config, 9, 5, 23);
        (case.outputs.cell_states, case.outputs.every_layer) = (true, true);
        let rnn = Rnn::new(engine, case.weights.clone());
        for lengths in [[9, 9, 9, 9, 9], [2, 5, 0, 6, 1], [0; 5], [3, 1, 4, 1, 5]] {
            case.lengths = Some(lengths.to_vec());
            let tolerance = if config.layer_norm { common::NORM } else { F32 };
            difference_of_outputs(&rnn.call(&case.call())?, &reference(&case), tolerance)
                .map_err(|error| format!("{lengths:?}: {error}"))?;
        }
    }
    Ok(())
}

fn says<'a>(rnn: &Rnn, call: &Call<'a>, lengths: &'a wgpu::Buffer, expected: &str) -> Outcome {
    match rnn.call(&call.clone().lengths_on_gpu(lengths)) {
        Err(error) if error.to_string() == expected => Ok(()),
        other => Err(format!("expected {expected:?}, found {other:?}").into()),
    }
}

fn lengths_on_gpu(engine: &Engine) -> Outcome {
    use wgpu::BufferUsages as Usage;
    let mut case = case(&primes(Cell::Gru), 9, 5, 17);
    case.lengths = Some(vec![4, 0, 9, 1, 5]);
    let theirs = run(engine, &case)?;
    let device = engine.device().unwrap();
    let buffer = |numbers: &[u32], usage| {
        let size = 4 * numbers.len() as u64;
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: true,
        });
        buffer.get_mapped_range_mut(..).unwrap().copy_from_slice(bytemuck::cast_slice(numbers));
        buffer.unmap();
        buffer
    };
    let rnn = Rnn::new(engine, case.weights.clone());
    let call = case.call();
    let without = Case { lengths: None, ..case.clone() };
    let bare = without.call();
    // A length over T counts as T.
    let lengths = buffer(&[4, 0, 77, 1, 5], Usage::COPY_SRC);
    if rnn.call(&bare.clone().lengths_on_gpu(&lengths))? != theirs {
        return Err("lengths on the GPU give something else than lengths on the host".into());
    }
    says(&rnn, &call, &lengths, "lengths: expected lengths on the host or on the GPU, found both")?;
    let short = buffer(&[1, 2], Usage::COPY_SRC);
    says(&rnn, &bare, &short, "lengths_on_gpu: expected a buffer of at least 20 bytes, found 8")?;
    let other = buffer(&[1, 2, 3, 4, 5], Usage::STORAGE);
    let expected = "lengths_on_gpu: expected a buffer with usage COPY_SRC, found BufferUsages(STORAGE)";
    says(&rnn, &bare, &other, expected)?;
    let cpu = Rnn::new(&Engine::cpu(), case.weights.clone());
    let expected = format!("lengths_on_gpu: expected an engine on a GPU, found {}", cpu.engine().name());
    says(&cpu, &bare, &lengths, &expected)
}

fn any_strides(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 18);
    let answer = run(engine, &case)?;
    let rnn = Rnn::new(engine, case.weights.clone());
    // Axes in another order, every second number, and backwards, and all of it seen as it was.
    let mut strange = Array3::<f32>::zeros((14, 5, 6));
    let mut as_was = strange.slice_mut(s![..;-2, .., ..;2]).permuted_axes([1, 2, 0]);
    as_was.assign(&case.input);
    let turned = |array: &Array3<f32>| {
        let mut turned = Array3::zeros(array.dim().f());
        turned.assign(array);
        turned
    };
    let state =
        case.state.as_ref().map(|state| State { h: turned(&state.h), c: state.c.as_ref().map(turned) });
    let ours = rnn.forward(&as_was.view(), state.as_ref())?;
    if ours != answer { Err("the strides of the input change the answer".into()) } else { Ok(()) }
}

fn packed_sequences(engine: &Engine) -> Outcome {
    for layout in [Layout::Tnc, Layout::Ntc] {
        let mut case = case(&primes(Cell::Lstm), 4, 3, 19);
        let (sizes, lengths) = (vec![3, 2, 2, 1], vec![4, 3, 1]);
        let rows = |array: &Array3<f32>| {
            let steps = array.outer_iter().zip(&sizes);
            let steps: Vec<_> = steps.map(|(step, &size)| step.slice_move(s![..size, ..])).collect();
            concatenate(Axis(0), &steps).unwrap()
        };
        let packed = Packed { data: rows(&case.input), batch_sizes: sizes.clone() };
        case.lengths = Some(lengths);
        let padded = run(engine, &case)?;
        let weights = case.weights.clone().layout(layout);
        let answer = Rnn::new(engine, weights).call(&Call::packed(&packed).state(case.state.as_ref()))?;
        let ours = answer.packed.as_ref().ok_or("no packed output")?;
        if ours.data != rows(&padded.output) || ours.batch_sizes != sizes || answer.state() != padded.state()
        {
            return Err(format!("{layout:?}: packed sequences give something else than padded ones").into());
        }
    }
    Ok(())
}

fn steady_state(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 7);
    // A device of its own, since other tests make objects on the shared one meanwhile.
    let defaults = engine.device().is_some_and(|device| device.features().is_empty());
    let engine = if defaults { Engine::builder().webgpu_defaults() } else { Engine::builder() }.build()?;
    // What we count, and what wgpu counts.
    let objects = || {
        let hal = engine.device().unwrap().get_internal_counters().hal;
        let alive = [hal.buffers.read(), hal.bind_groups.read(), hal.compute_pipelines.read()];
        (engine.objects_made(), alive)
    };
    for schedule in Schedule::ALL.into_iter().map(Some).chain([None]) {
        let rnn = Rnn::new(&engine, case.weights.clone()).with_tuning(schedule)?;
        let with_lengths = Case { lengths: Some(vec![5, 0, 2]), ..case.clone() };
        // Other shapes in between, so that none is merely the latest.
        let all = || -> Result<_, Failed> {
            let shorter = rnn.forward(&case.input.slice(s![..3, .., ..]), None)?;
            Ok((rnn.call(&case.call())?, shorter, rnn.call(&with_lengths.call())?))
        };
        let first = all()?;
        let before = objects();
        let second = all()?;
        if before.0 == 0 || before.1.contains(&0) || objects() != before {
            return Err(format!("{schedule:?}: {before:?} objects became {:?}", objects()).into());
        }
        if first != second {
            return Err(format!("{schedule:?}: the same call twice is not bit-identical").into());
        }
    }
    Ok(())
}

fn many_steps(engine: &Engine) -> Outcome {
    let case = case(&Config::gru(5).num_layers(2).bidirectional().input_size(3), 300, 2, 8);
    let plan = wgpu_rnn::Plan::new(case.weights.config(), 300, 2, &engine.limits().unwrap())?;
    if plan.submits.len() < 3 {
        return Err(format!("{} submits, expected at least 3", plan.submits.len()).into());
    }
    equals_reference(engine, &case)
}

fn nan_in_clip(engine: &Engine) -> Outcome {
    for layer_norm in [false, true] {
        for stops in [false, true] {
            let mut config = Config::lstm(13).input_size(7).cell_clip(-0.5, 0.25);
            config.layer_norm = layer_norm;
            let config = if stops { config.cell_clip_nan() } else { config };
            let mut case = case(&config, 5, 3, 22);
            case.outputs.cell_states = true;
            case.input[[4, 1, 0]] = f32::NAN;
            let cells = run(engine, &case)?.cell_states.ok_or("no cell states")?;
            let last = cells.slice(s![4, 1, ..]);
            // The last step's cell state is NaN in every unit, or the least value.
            let is_right = last.iter().all(|&c| if stops { c == -0.5 } else { c.is_nan() });
            let theirs = reference(&case).cell_states.ok_or("no cell states")?;
            if !is_right || theirs[[4, 1, 0]].is_nan() == stops || cells[[4, 0, 0]].is_nan() {
                return Err(format!("stops {stops}, layer_norm {layer_norm}: {last}").into());
            }
        }
    }
    Ok(())
}

fn hundred_thousand_steps(engine: &Engine) -> Outcome {
    let config = Config::gru(5).input_size(3);
    let steps = 100_000;
    let case = case(&config, steps, 1, 20);
    equals_reference(engine, &case)?;
    // Of which a sequence uses what it has: the rest is neither computed nor waited for.
    let case = Case { lengths: Some(vec![300]), ..case };
    equals_reference(engine, &case)
}

fn four_thousand_units(engine: &Engine) -> Outcome {
    let mut case = case(&Config::rnn_tanh(4096).input_size(3), 2, 1, 21);
    // The state's scale that the tolerance is meant for: products of 4096.
    case.input *= 0.1;
    equals_reference(engine, &case)
}

fn schedules_are_equal(engine: &Engine) -> Outcome {
    let small = [(1, 1), (5, 3), (300, 2), (4, 17)];
    for cell in Cell::ALL {
        for (steps, batch) in small {
            all_schedules(engine, &primes(cell), &Schedule::ALL, (steps, batch))?;
        }
    }
    // One direction: units and rows of several turns of a workgroup; reverse, and of several submits.
    let one_way = [Schedule::Stepwise, Schedule::Sequence];
    all_schedules(engine, &Config::gru(300).input_size(3), &one_way, (2, 9))?;
    let reverse = Config::lstm(13).directions(Directions::Reverse).num_layers(2).input_size(3);
    all_schedules(engine, &reverse, &one_way, (260, 5))
}

/// Every tile by name, of the input product and of the steps; sizes around those of tiles, of groups of columns and pieces of K.
fn every_tile(engine: &Engine) -> Outcome {
    let has_subgroups = engine.limits().is_some_and(|limits| limits.subgroup_size >= 8);
    for (schedule, cell, hidden, features, steps, batch) in [
        (Schedule::Paired, Cell::Lstm, 13, 7, 5, 3),
        (Schedule::Stepwise, Cell::Gru, 9, 70, 3, 23),
        (Schedule::Sequence, Cell::Vanilla(Activation::Tanh), 67, 33, 2, 65),
        (Schedule::Stepwise, Cell::Lstm, 3, 3, 1, 1),
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
            let step = of_steps.tiles().find(|&one| one == tile);
            let tuning = Tuning { schedule: Some(schedule), gemm: Some(tile), step };
            let rnn = rnn.clone().with_tuning(tuning)?;
            let what = format!("{cell:?} {hidden}, {}, tile {tile}", schedule.name());
            match rnn.call(&case.call()) {
                // No subgroups; or more rows of 272 bytes than fit twice into a workgroup of 16 KiB.
                Err(Error::Unsupported { name, .. })
                    if tile.read == Read::Shared && (!has_subgroups || name == "schedule") => {}
                // It needs f16.
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

/// Whether all of these schedules, and the best, give the same bits, without lengths and with them.
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
    // Two layers, each an input's product (one a direction below) and two ways of four of the nine steps.
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

fn sigmoid_tail(engine: &Engine) -> Outcome {
    // What a gate lets through of a large state is right to its digits, though the gate be nearly shut.
    let tensors = [
        ("weight_ih_l0".to_owned(), Array3::<f32>::zeros((1, 4, 1)).index_axis_move(Axis(0), 0).into_dyn()),
        ("weight_hh_l0".to_owned(), Array3::<f32>::zeros((1, 4, 1)).index_axis_move(Axis(0), 0).into_dyn()),
        ("bias_ih_l0".to_owned(), ndarray::arr1(&[-90.0_f32, -12.0, 0.0, 0.0]).into_dyn()),
        ("bias_hh_l0".to_owned(), ndarray::arr1(&[0.0_f32, 0.0, 0.0, 0.0]).into_dyn()),
    ];
    let weights = Weights::reader().from_tensors(tensors)?;
    let state = State::with_cell(Array3::zeros((1, 1, 1)), Array3::from_elem((1, 1, 1), 1e4));
    let c_n = Rnn::new(engine, weights).forward(&Array3::zeros((1, 1, 1)), Some(&state))?.c_n.unwrap();
    let expected = 1e4 / (1.0 + 12_f64.exp());
    let error = (f64::from(c_n[[0, 0, 0]]) / expected - 1.0).abs();
    if error < 1e-6 { Ok(()) } else { Err(format!("off by {error:e} of itself").into()) }
}

/// An activation in double precision.
type Truth = fn(f64) -> f64;

/// The smooth activations in units of their own value: a tolerance of outputs cannot see them where they vanish.
fn activations_digits(engine: &Engine) -> Outcome {
    // From 2^-40 to 80, an 8th of an octave apart, and a number between each two; both signs.
    let sizes = (-320..51).map(|eighths| 2_f32.powf(eighths as f32 / 8.0));
    let input: Vec<f32> = sizes.flat_map(|size| [size, -size, 1.07 * size, -1.07 * size]).collect();
    // The sigmoid of -4 is 1/56, as the sum of 1/2 and a rounded -1/2 tanh(2).
    let sigmoid = ACTIVATION + 56.0 * 2_f64.powi(-25);
    // With what exp adds below 0.
    let truths: [(Activation, f64, f64, Truth); 5] = [
        (Activation::Tanh, ACTIVATION, 0.0, f64::tanh),
        (Activation::Sigmoid, sigmoid, EXPONENT, |x| 1.0 / (1.0 + (-x).exp())),
        (Activation::Softsign, ACTIVATION, 0.0, |x| x / (1.0 + x.abs())),
        (Activation::Softplus, ACTIVATION, EXPONENT, |x| x.max(0.0) + (-x.abs()).exp().ln_1p()),
        (Activation::Elu { alpha: 1.0 }, ACTIVATION, 0.0, |x| if x < 0.0 { x.exp_m1() } else { x }),
    ];
    for (activation, bound, exponent, truth) in truths {
        let weights = [("weight_ih_l0", 1.0_f32), ("weight_hh_l0", 0.0)];
        let weights = weights.map(|(name, weight)| (name.to_owned(), ndarray::arr2(&[[weight]]).into_dyn()));
        let rnn = Rnn::new(engine, Weights::reader().activation(activation).from_tensors(weights)?);
        let output = rnn.forward(&Array3::from_shape_vec((1, input.len(), 1), input.clone())?, None)?.output;
        for (&x, &y) in input.iter().zip(&output) {
            let (x, y) = (f64::from(x), f64::from(y));
            let error = (y / truth(x) - 1.0).abs();
            let bound = bound - exponent * x.min(0.0);
            // A NaN is too large as well.
            if !error.le(&bound) {
                return Err(format!("{activation} of {x} is {y}, off by {error:e} of itself").into());
            }
        }
    }
    Ok(())
}

/// The largest relative error of an activation: six roundings of 2^-24.
const ACTIVATION: f64 = 3.6e-7;

/// What exp adds for each unit of its argument, which is rounded twice: as x log2(e), and as log2(e).
const EXPONENT: f64 = 1.2e-7;

fn long_products(engine: &Engine) -> Outcome {
    // Over the 65,535 turns, of four numbers each, after which lavapipe ends all loops.
    let mut case = case(&Config::lstm(2).input_size(270_003), 1, 2, 9);
    case.input *= 0.01;
    equals_reference(engine, &case)?;
    // That of a projection is not cut, but refused.
    let config = Config::lstm(140_000).proj_size(1).input_size(1);
    match wgpu_rnn::Plan::new(&config, 1, 1, &engine.limits().unwrap()) {
        Err(Error::TooLarge { needed: 140_000, limit: 131_072, .. }) => Ok(()),
        other => Err(format!("expected Error::TooLarge, found {:?}", other.map(|plan| plan.title)).into()),
    }
}

fn async_equals_blocking(engine: &Engine) -> Outcome {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let case = case(&primes(Cell::Gru), 5, 3, 10);
    let blocking = run(engine, &case)?;
    let rnn = Rnn::new(engine, case.weights.clone());
    drop(rnn.forward_async(&case.input, None)); // never polled
    let call = case.call();
    let answer = pollster::block_on(assert_send(rnn.call_async(&call)))?;
    if answer == blocking { Ok(()) } else { Err("async and blocking differ".into()) }
}

fn too_large(engine: &Engine) -> Outcome {
    // One step alone is too large to be split; no allocation is made before the plan refuses.
    let weights = Weights::init(&Config::lstm(1024).input_size(1), &wgpu_rnn::Init::gluon())?;
    let limits = engine.limits().unwrap();
    let batch = (limits.max_binding_bytes / (4 * 4 * 1024) + 1) as usize;
    if batch > 1 << 24 {
        return Ok(()); // an adapter with bindings over 256 GB
    }
    let made = Rnn::new(engine, weights).forward(&Array3::zeros((1, batch, 1)), None);
    match made {
        Err(Error::TooLarge { needed, limit, .. }) if needed > limit => Ok(()),
        other => Err(format!("expected Error::TooLarge, found {other:?}").into()),
    }
}

fn callers_device(_: &Engine) -> Outcome {
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    let theirs = Engine::from_device(device, queue);
    equals_reference(&theirs, &case(&primes(Cell::Lstm), 5, 3, 11))
}

fn lost_device(_: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 12);
    // Of the caller's, whose loss we are not told of, and of our own.
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    for lost in [Engine::from_device(device, queue), Engine::builder().build()?] {
        let rnn = Rnn::new(&lost, case.weights.clone());
        rnn.forward(&case.input, None)?;
        lost.device().unwrap().destroy();
        for input in [case.input.view(), case.input.slice(s![..2, .., ..])] {
            match rnn.forward(&input, None) {
                Err(Error::DeviceLost(_)) => {}
                other => return Err(format!("expected Error::DeviceLost, found {other:?}").into()),
            }
        }
    }
    Ok(())
}

fn adapter_by_name(engine: &Engine) -> Outcome {
    let name = engine.name();
    let part = name.split(' ').next().unwrap_or_default().to_uppercase();
    let found = Engine::builder().adapter_name(&part).build()?;
    if !found.name().to_uppercase().contains(&part) {
        return Err(format!("asked for {part}, found {}", found.name()).into());
    }
    match Engine::builder().adapter_name("no such adapter").build() {
        Err(Error::NamedAdapter { name, .. }) if name == "no such adapter" => Ok(()),
        other => Err(format!("expected Error::NamedAdapter, found {other:?}").into()),
    }
}
