//! Dropout: the same masks on every engine, and refusals.

use crate::common::case;
use crate::common::gradients::Given;
use crate::engines::{Offer, Outcome, Trials};
use wgpu_rnn::{Cell, Config, Dropout, Engine, Error, Merge, Rnn};

pub fn add(trials: &mut Trials, offer: Offer) {
    trials.add(offer, "dropout::that_cannot_be_is_refused", that_cannot_be_is_refused);
    trials.add(offer, "dropout::drops_as_the_reference", drops_as_the_reference);
}

/// The masks of the reference, forward and back: where an engine drops a number, and by whatever a number
/// is multiplied, is seen in the numbers that follow.
fn drops_as_the_reference(engine: &Engine) -> Outcome {
    let stacked = |cell| Config::new(cell, 13).num_layers(3).bidirectional().input_size(7);
    let mut residual = stacked(Cell::Lstm);
    residual.residual = true;
    let configs = [
        stacked(Cell::Gru),
        residual.merge(Merge::Multiply),
        Config::lstm(11).num_layers(2).proj_size(6).bidirectional().input_size(5),
        Config::rnn_tanh(4).num_layers(2).input_size(3),
    ];
    for (index, config) in configs.iter().enumerate() {
        for (p, variational) in [(0.5, false), (0.3, true), (1.0, false), (0.0, false)] {
            let mut case = case(config, 6, 5, 81);
            case.lengths = (index == 0).then(|| vec![6, 0, 3, 5, 1]);
            case.outputs.every_layer = true;
            let dropout = Dropout::new(p).seed(0x1234_5678_9abc_def0).call(index as u32 + 3);
            let dropout = if variational { dropout.variational() } else { dropout };
            let of = |engine: &Engine| -> Result<_, Error> {
                let rnn = Rnn::new(engine, case.weights.clone());
                let call = case.call().dropout(dropout);
                let (output, mut saved) = rnn.forward_saved(&call)?;
                let alone = rnn.call(&call)?;
                let given = Given::drawn(&output, 5);
                Ok((alone, output, rnn.backward(&mut saved, &given.gradients())?))
            };
            let (alone, output, gradients) = of(engine)?;
            let (_, theirs, by_theirs) = of(&Engine::reference())?;
            if alone != output {
                return Err(format!("{config:?}, p {p}: a saved call gives another output").into());
            }
            let near = |one: &ndarray::Array3<f32>, other: &ndarray::Array3<f32>| {
                one.iter().zip(other).all(|(one, other)| (one - other).abs() < 2e-4 * other.abs().max(1.0))
            };
            if !near(&output.output, &theirs.output) || !near(&output.h_n, &theirs.h_n) {
                return Err(format!("{config:?}, p {p}: another output").into());
            }
            let weights = gradients.weights.as_slice().iter().zip(by_theirs.weights.as_slice());
            let largest = by_theirs.weights.as_slice().iter().fold(1.0_f32, |most, x| most.max(x.abs()));
            let is_near = weights.into_iter().all(|(one, other)| (one - other).abs() < 2e-4 * largest);
            if !near(&gradients.input, &by_theirs.input) || !is_near {
                return Err(format!("{config:?}, p {p}: other gradients").into());
            }
        }
    }
    Ok(())
}

/// Wrong dropout is refused before anything is computed.
fn that_cannot_be_is_refused(engine: &Engine) -> Outcome {
    let (one, two) = (Config::gru(5).input_size(7), Config::gru(5).num_layers(2).input_size(7));
    for (config, p, refused) in [
        (&two, 0.0, false),
        (&two, 1.0, false),
        (&two, 1.5, true),
        (&two, -0.5, true),
        (&two, f32::NAN, true),
        (&one, 0.0, false),
        (&one, 0.5, true),
    ] {
        let case = case(config, 2, 3, 72);
        let rnn = Rnn::new(engine, case.weights.clone());
        let plain = rnn.call(&case.call()).unwrap();
        match rnn.call(&case.call().dropout(Dropout::new(p))) {
            Err(Error::Argument { name: "dropout", .. }) if refused => {}
            // Nothing is dropped at p = 0.
            Ok(answer) if !refused => assert_eq!(answer == plain, p == 0.0, "p {p}"),
            other => panic!("p {p}: {other:?}"),
        }
    }
    Ok(())
}
