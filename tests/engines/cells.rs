//! Every cell against the reference, and by properties that need no reference.

use crate::common::{
    self, Case, F32, all_finite, case, difference, difference_of_outputs, random, reference,
};
use crate::engines::{Outcome, Trials};
use crate::{OFFERS, equals_reference, primes, run};
use ndarray::{Array3, Axis, concatenate, s};
use proptest::prelude::*;
use wgpu_rnn::{Activation, Cell, Config, Directions, Engine, Layout, Rnn, State, Weights};

type CellTest = fn(&Engine, Cell) -> Outcome;

pub fn add(trials: &mut Trials) {
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
    for offer in OFFERS {
        for cell in Cell::ALL {
            for (name, test) in tests {
                if name == "saturates" && cell == Cell::Vanilla(Activation::Relu) {
                    continue; // it grows without bounds: see relu_overflows
                }
                trials.add(offer, &format!("{}::{name}", cell.name()), move |engine| test(engine, cell));
            }
        }
    }
}

/// (L, both directions, T, N, I, H): ones, primes, around tiles of 4, 8, 16 and 32 rows, blocks of 8 units,
/// vectors of 4, and a workgroup of 64 invocations.
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
    let result = random::runner(24).run(
        &strategy,
        |((layers, both, ntc, bias, features, hidden), steps, batch, seed)| {
            let mut config = Config::new(cell, hidden).num_layers(layers).input_size(features);
            config.directions = if both { Directions::Both } else { Directions::Forward };
            config.layout = if ntc { Layout::Ntc } else { Layout::Tnc };
            config.bias = bias;
            let outcome = equals_reference(engine, &case(&config, steps, batch, seed));
            outcome.map_err(|failed| TestCaseError::fail(failed.message().unwrap_or("failed").to_owned()))
        },
    );
    result.map_err(|error| error.to_string().into())
}

/// Does the same to h and c.
fn each(state: &State, change: impl Fn(&Array3<f32>) -> Array3<f32>) -> State {
    State { h: change(&state.h), c: state.c.as_ref().map(change) }
}

/// The network with its cell, which shapes alone do not tell.
fn of(mut config: Config, cell: Cell) -> Config {
    config.cell = cell;
    config
}

/// Each row of a batch is what it is alone and in any other place, to the last bit where the tiles are the
/// same.
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
        weights: Weights::reader()
            .activation(cell.activation())
            .settings(|config| of(config, cell))
            .from_tensors(tensors)?,
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
        case.weights = Weights::reader()
            .activation(cell.activation())
            .settings(|config| of(config, cell))
            .from_tensors(tensors)?;
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
        let weights = Weights::reader()
            .activation(cell.activation())
            .settings(|config| of(config, cell))
            .from_tensors(tensors)?;
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
