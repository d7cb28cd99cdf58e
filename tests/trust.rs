//! The checks must be able to fail: what each of them exists to catch, done on purpose.

mod common;

use common::{Case, F32, case, difference_of_outputs, reference};
use ndarray::{ArrayD, s};
use wgpu_rnn::{Activation, Cell, Config, Directions, Naming, Weights, reference};

/// The reference's answer to a case, and what `check` says of the same case with other weights.
fn check(case: &Case, weights: &Weights) -> Result<(), String> {
    let ours = reference::forward(weights, &case.input, case.state.as_ref()).unwrap();
    difference_of_outputs(&ours, &reference(case), F32)
}

fn cases() -> impl Iterator<Item = Case> {
    Cell::ALL.into_iter().map(|cell| {
        case(&Config::new(cell, 13).num_layers(2).directions(Directions::Both).input_size(7), 5, 3, 1)
    })
}

/// The same weights, but for what `change` does to each tensor.
fn changed(case: &Case, change: impl Fn(&str, &mut ArrayD<f32>)) -> Weights {
    let tensors = case.weights.tensors(Naming::PyTorch).map(|(name, tensor)| {
        let mut tensor = tensor.to_owned();
        change(&name, &mut tensor);
        (name, tensor)
    });
    read(case, tensors)
}

/// Weights of the case's cell, which shapes alone do not tell.
fn read(case: &Case, tensors: impl Iterator<Item = (String, ArrayD<f32>)>) -> Weights {
    let cell = case.weights.config().cell;
    let of = |mut config: Config| {
        config.cell = cell;
        config
    };
    Weights::reader().activation(cell.activation()).settings(of).from_tensors(tensors).unwrap()
}

#[test]
fn passes_what_is_right() {
    cases().for_each(|case| check(&case, &case.weights).unwrap());
}

#[test]
fn sees_one_weight_off_by_a_hundredth() {
    for case in cases() {
        for target in case.weights.tensors(Naming::PyTorch).map(|(name, _)| name).collect::<Vec<_>>() {
            let weights = changed(&case, |name, tensor| {
                if name == target {
                    // A unit that a relu may hold at zero would hide it: all of one column, or one number of
                    // a bias.
                    match tensor.ndim() {
                        2 => tensor.slice_mut(s![.., 0]).mapv_inplace(|w| w + 1e-2),
                        _ => tensor.mapv_inplace(|w| w + 1e-2),
                    }
                }
            });
            check(&case, &weights).expect_err(&format!("{:?} {target}", case.weights.config().cell));
        }
    }
}

#[test]
fn sees_a_single_weight_off_by_a_hundredth() {
    for case in cases().filter(|case| case.weights.config().cell != Cell::Vanilla(Activation::Relu)) {
        let weights = changed(&case, |name, tensor| {
            if name == "weight_hh_l0" {
                tensor[[12, 12]] += 1e-2;
            }
        });
        check(&case, &weights).unwrap_err();
    }
}

#[test]
fn sees_swapped_directions() {
    for case in cases() {
        let swapped = case.weights.tensors(Naming::PyTorch).map(|(name, tensor)| {
            let other = match name.strip_suffix("_reverse") {
                Some(forward) => forward.to_owned(),
                None => format!("{name}_reverse"),
            };
            (other, tensor.to_owned())
        });
        let weights = read(&case, swapped);
        check(&case, &weights).unwrap_err();
    }
}

#[test]
fn sees_a_dropped_bias() {
    for case in cases() {
        for dropped in ["bias_ih_l0", "bias_hh_l0", "bias_hh_l1_reverse"] {
            let weights = changed(&case, |name, tensor| {
                if name == dropped {
                    tensor.fill(0.0);
                }
            });
            check(&case, &weights).unwrap_err();
        }
    }
}

#[test]
fn sees_a_nan_an_infinity_and_a_missing_row() {
    for case in cases() {
        let theirs = reference(&case);
        let right = reference::call(&case.weights, &case.call()).unwrap();
        for poison in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut ours = right.clone();
            ours.output[[4, 2, 25]] = poison;
            assert!(difference_of_outputs(&ours, &theirs, F32).unwrap_err().contains("at [4, 2, 25]"));
            let mut ours = right.clone();
            ours.h_n[[3, 0, 0]] = poison;
            difference_of_outputs(&ours, &theirs, F32).unwrap_err();
        }
        let mut ours = right.clone();
        ours.output = ours.output.slice(s![..4, .., ..]).to_owned();
        assert!(difference_of_outputs(&ours, &theirs, F32).unwrap_err().contains("shape"));
    }
}
