//! Gradients: the reference's tape against PyTorch's autograd and against central differences.

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/goldens.rs"]
mod goldens;
mod learning;
mod properties;

use common::gradients::{Given, difference_of_gradients, judge};
use common::options::{OPTIONS, Row, cells, with};
use common::{Case, F32, F64, Tolerance, case};
use goldens::{Differentiate, Golden};
use ndarray::{Array3, ArrayD, ArrayViewD, Ix3};
use wgpu_rnn::{Call, Cell, Config, Engine, Float, Naming, Rnn, State, Weights, mxnet, reference};

fn fails<T: Float>(tolerance: Tolerance, differentiate: Differentiate<'_, T>) -> Vec<String> {
    let cases = Golden::all("pytorch_gradients");
    cases.iter().filter_map(|case| case.check_gradients::<T>(tolerance, differentiate).err()).collect()
}

#[test]
fn engines_equal_pytorch() {
    for engine in [Engine::cpu(), Engine::reference()] {
        let failures = fails::<f32>(F32, &mut |weights, call, given| {
            let rnn = Rnn::new(&engine, weights.clone());
            let (_, mut saved) = rnn.forward_saved(call)?;
            rnn.backward(&mut saved, given)
        });
        assert!(failures.is_empty(), "{}:\n{}", engine.name(), failures.join("\n"));
    }
}

/// Every pair of options, of every cell that can have both.
#[test]
fn engines_equal_the_tape() {
    // Settings of a GPU.
    let rows: Vec<&Row> =
        OPTIONS.iter().filter(|row| !["half", "small_bindings"].contains(&row.name)).collect();
    let cpu = if std::env::var("GPU").is_ok() { Engine::gpu().unwrap() } else { Engine::cpu() };
    let (mut ran, mut failures) = (0, Vec::new());
    for (index, one) in rows.iter().enumerate() {
        for other in &rows[..=index] {
            for cell in cells(&[one, other]) {
                let setup = with(cell, &[one, other]);
                // A NaN has no gradient to compare.
                if setup.has_nan {
                    continue;
                }
                ran += 1;
                if let Err(error) = gradient_of(&cpu, &setup.drawn(ran)) {
                    failures.push(format!("{cell}, {}, {}: {error}", one.name, other.name));
                }
            }
        }
    }
    println!("{ran} cases");
    assert!(ran > 1000, "{ran} cases");
    assert!(failures.is_empty(), "{} of {ran}:\n{}", failures.len(), failures.join("\n"));
}

/// More steps and rows than are summed at once, of every cell.
#[test]
fn long_sums_equal_the_tape() {
    for cell in Cell::ALL {
        let mut long = case(&Config::new(cell, 5).bidirectional().input_size(3), 41, 13, 71);
        long.lengths = Some((0..13).map(|row| 41 - 3 * row).collect());
        gradient_of(&Engine::cpu(), &long).unwrap_or_else(|error| panic!("{cell}: {error}"));
    }
}

fn gradient_of(engine: &Engine, case: &Case) -> Result<(), String> {
    let rnn = Rnn::new(engine, case.weights.clone());
    let text = |error: wgpu_rnn::Error| error.to_string();
    let (output, mut saved) = rnn.forward_saved(&case.call()).map_err(text)?;
    if output != rnn.call(&case.call()).map_err(text)? {
        return Err("a saved call gives another output".into());
    }
    let given = Given::drawn(&output, 7);
    let ours = rnn.backward(&mut saved, &given.gradients()).map_err(text)?;
    difference_of_gradients(&ours, &judge(case, &given))
}

#[test]
fn the_tape_equals_pytorch() {
    let failures =
        fails::<f64>(F64, &mut |weights, call, given| Ok(reference::backward(weights, call, given)?.1));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// The tape against central differences: the change of the loss along a random direction of everything that a
/// call is made of.
#[test]
fn the_tape_equals_central_differences() {
    const STEP: f64 = 1e-6;
    let rows = OPTIONS.iter().filter(|row| !["half", "small_bindings"].contains(&row.name));
    let mut ran = 0;
    for row in rows {
        for cell in cells(&[row]) {
            let setup = with(cell, &[row]);
            if setup.has_nan {
                continue;
            }
            ran += 1;
            let case = setup.drawn(ran);
            let given = Given::drawn(&reference::call(&case.weights, &case.call()).unwrap(), ran);
            let found = judge(&case, &given);
            let given = given.cast();
            let random = mxnet::Random::new(ran + 1000);
            let along = |array: ArrayViewD<'_, f64>| {
                random
                    .uniform(-1.0, 1.0, array.len())
                    .mapv(f64::from)
                    .into_shape_with_order(array.raw_dim())
                    .unwrap()
            };
            let input = along(found.input.view().into_dyn());
            let h = along(found.state.h.view().into_dyn());
            let c = found.state.c.as_ref().map(|c| along(c.view().into_dyn()));
            let weights: Vec<_> =
                found.weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, along(tensor))).collect();
            let dot = |one: ArrayViewD<'_, f64>, other: &ArrayD<f64>| (&one * other).sum();
            let mut expected = dot(found.input.view().into_dyn(), &input);
            if case.state.is_some() {
                expected += dot(found.state.h.view().into_dyn(), &h);
                expected += found
                    .state
                    .c
                    .iter()
                    .map(|own| dot(own.view().into_dyn(), c.as_ref().unwrap()))
                    .sum::<f64>();
            }
            let of_weights = found.weights.tensors(Naming::PyTorch).zip(&weights);
            expected += of_weights.map(|((_, tensor), (_, along))| dot(tensor, along)).sum::<f64>();

            let loss = |by: f64| {
                let tensors = case.weights.tensors(Naming::PyTorch).zip(&weights);
                let tensors =
                    tensors.map(|((name, tensor), (_, along))| (name, tensor.mapv(f64::from) + along * by));
                let moved = Weights::reader().config(case.weights.config()).from_tensors(tensors).unwrap();
                let more = |array: &Array3<f32>, along: &ArrayD<f64>| {
                    array.mapv(f64::from) + &(along * by).into_dimensionality::<Ix3>().unwrap()
                };
                let state = case.state.as_ref().map(|state| State {
                    h: more(&state.h, &h),
                    c: state.c.as_ref().map(|own| more(own, c.as_ref().unwrap())),
                });
                let input = more(&case.input, &input);
                let call = Call::new(&input).state(state.as_ref()).outputs(case.outputs);
                let call = match &case.lengths {
                    Some(lengths) => call.lengths(lengths),
                    None => call,
                };
                given.loss(&reference::call(&moved, &call).unwrap())
            };
            let measured = (loss(STEP) - loss(-STEP)) / (2.0 * STEP);
            // The difference of two losses of this size, each right to 1e-15 of itself, over the step.
            let tolerance = 1e-6 * (1.0 + expected.abs());
            assert!(
                (measured - expected).abs() < tolerance,
                "{cell}, {}: the tape has {expected}, central differences {measured}",
                row.name
            );
        }
    }
    assert!(ran > 80, "{ran} cases");
}
