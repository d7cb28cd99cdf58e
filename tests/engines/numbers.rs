//! Numbers at the ends of their range.

use crate::common::{case, reference};
use crate::engines::{Outcome, Trials};
use crate::{add_all, run};
use ndarray::{Array3, Axis, s};
use wgpu_rnn::{Activation, Config, Engine, Rnn, State, Weights};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        false,
        &[
            ("a_nearly_shut_gate_is_right", sigmoid_tail),
            ("activations_are_right_to_their_digits", activations_digits),
            ("a_threshold_itself_is_not_passed", threshold),
            ("a_clip_stops_a_nan_where_it_is_told_to", nan_in_clip),
            ("relu_overflows_where_the_reference_does", relu_overflows),
        ],
    );
}

fn sigmoid_tail(engine: &Engine) -> Outcome {
    // A gate that is nearly shut lets a part of a large state through; that part is right to its digits.
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

/// The smooth activations in units of their own value: a tolerance of outputs cannot see them where they
/// vanish.
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

/// onnxruntime 1.32 and PyTorch 2.15 give 0 for alpha itself; the text of ONNX's RNN gives alpha.
fn threshold(engine: &Engine) -> Outcome {
    let weights = [("weight_ih_l0", 1.0_f32), ("weight_hh_l0", 0.0)];
    let weights = weights.map(|(name, weight)| (name.to_owned(), ndarray::arr2(&[[weight]]).into_dyn()));
    let reader = Weights::reader().activation(Activation::ThresholdedRelu { alpha: 1.0 });
    let rnn = Rnn::new(engine, reader.from_tensors(weights)?);
    let above = 1.0 + f32::EPSILON;
    let input = Array3::from_shape_vec((1, 3, 1), vec![1.0 - f32::EPSILON, 1.0, above])?;
    let output = rnn.forward(&input, None)?.output.into_raw_vec_and_offset().0;
    if output == [0.0, 0.0, above] { Ok(()) } else { Err(format!("{output:?}").into()) }
}

/// The largest relative error of an activation: six roundings of 2^-24.
const ACTIVATION: f64 = 3.6e-7;

/// The relative error of exp for each unit of its argument, which is rounded twice: as x log2(e), and as
/// log2(e).
const EXPONENT: f64 = 1.2e-7;

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
            let theirs = reference(&case).cell_states.clone().ok_or("no cell states")?;
            if !is_right || theirs[[4, 1, 0]].is_nan() == stops || cells[[4, 0, 0]].is_nan() {
                return Err(format!("stops {stops}, layer_norm {layer_norm}: {last}").into());
            }
        }
    }
    Ok(())
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
