//! The reference's tape against PyTorch, MXNet and central differences.

use crate::common::gradients::{Given, judge};
use crate::common::options::{OPTIONS, cells, with};
use crate::engines::Outcome;
use crate::{compare, goldens};
use ndarray::{Array3, ArrayD, ArrayViewD, Ix3};
use wgpu_rnn::{Call, Engine, Naming, State, Weights, mxnet, reference};

pub fn equals_frameworks(_: &Engine) -> Outcome {
    compare::<f64>(goldens::tolerance_of, &mut |weights, call, given| {
        Ok(reference::backward(weights, call, given)?.1)
    })
}

/// The tape against central differences: the change of the loss along a random direction of everything that a
/// call is made of.
pub fn equals_central_differences(_: &Engine) -> Outcome {
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
    if ran > 80 { Ok(()) } else { Err(format!("{ran} cases").into()) }
}
