//! Plain gradient descent goes down as PyTorch's does, from the same weights.

use crate::common::{Case, case, golden, rank3};
use crate::engines::Outcome;
use crate::{given, gradients};
use ndarray::{Array3, ArrayD};
use wgpu_rnn::{Activation, Call, Cell, Config, Engine, Error, Init, OutputGradients, Rnn, Weights, inspect};

/// How far a loss may lie from PyTorch's, which computes in f64.
const LOSS: f64 = 1e-4;

pub fn fifty_steps(engine: &Engine) -> Outcome {
    let (metadata, tensors) = golden("pytorch_sgd.safetensors");
    {
        for name in ["rnn", "lstm", "gru"] {
            let settings: serde_json::Value = serde_json::from_str(&metadata[name]).unwrap();
            let rate = settings["rate"].as_f64().unwrap() as f32;
            let get = |key: &str| &tensors[&format!("{name}/{key}")];
            let single = |tensor: &ArrayD<f64>| tensor.mapv(|number| number as f32);
            let (input, target) = (single(get("input")), rank3(single(get("target"))));
            let prefix = format!("{name}/");
            let own = tensors.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?, tensor)));
            let own = own.filter(|(key, _)| key.contains("_l"));
            let mut weights = Weights::reader()
                .activation((name == "rnn").then_some(Activation::Tanh))
                .from_tensors(own.map(|(key, tensor)| (key.to_owned(), single(tensor))))
                .unwrap();
            let mut rnn = Rnn::new(engine, weights.clone());
            for (step, &theirs) in get("losses").iter().enumerate() {
                let (answer, mut saved) = rnn.forward_saved(&Call::new(&input)).unwrap();
                let difference: Array3<f32> = &answer.output - &target;
                let count = difference.len() as f32;
                let loss = difference.iter().map(|x| f64::from(x * x)).sum::<f64>() / f64::from(count);
                assert!(
                    (loss - theirs).abs() < LOSS,
                    "{name}, {}, step {step}: {loss}, and PyTorch {theirs}",
                    engine.name()
                );
                let by_output = difference.mapv(|x| 2.0 * x / count);
                let given = OutputGradients::new().output(&by_output);
                let gradients = rnn.backward(&mut saved, &given).unwrap().weights;
                weights.add_scaled(&gradients, -rate).unwrap();
                rnn.set_weights(weights.clone()).unwrap();
            }
        }
    }
    Ok(())
}

/// Calls after `set_weights` are those of a new network, of every kind of call and to the bit; the earlier
/// weights are a clone's, and no saved call of theirs has gradients.
pub fn weights_change(engine: &Engine) -> Outcome {
    let stacked = |cell| Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
    let lstm = stacked(Cell::Lstm);
    let mut configs: Vec<Config> = Cell::ALL.map(stacked).into();
    configs.extend([lstm.clone().layer_norm(), lstm.peepholes().learned_state()]);
    for config in configs {
        let (mut one, other) = (case(&config, 5, 3, 91), case(&config, 5, 3, 92));
        one.state = None;
        let mut rnn = Rnn::new(engine, one.weights.clone());
        let given = given(&one, 93);
        let before = rnn.call(&one.call()).unwrap();
        let (_, mut saved) = rnn.forward_saved(&one.call()).unwrap();
        let (_, mut kept) = rnn.forward_saved(&one.call()).unwrap();
        let clone = rnn.clone();
        rnn.set_weights(other.weights.clone()).unwrap();
        assert!(matches!(rnn.backward(&mut saved, &given.gradients()), Err(Error::WeightsChanged)));
        clone.backward(&mut kept, &given.gradients()).unwrap();
        assert_eq!(clone.call(&one.call()).unwrap(), before, "{config:?}");
        // Alone from here on, so that objects are used again.
        drop(clone);
        for weights in [&one.weights, &other.weights, &one.weights] {
            rnn.set_weights(weights.clone()).unwrap();
            let case = Case { weights: weights.clone(), ..one.clone() };
            let expected = Rnn::new(engine, weights.clone()).call(&case.call()).unwrap();
            assert_eq!(rnn.call(&case.call()).unwrap(), expected, "{config:?}");
            let (output, mut saved) = rnn.forward_saved(&case.call()).unwrap();
            assert_eq!(output, expected, "{config:?}");
            let ours = rnn.backward(&mut saved, &given.gradients()).unwrap();
            assert_eq!(ours, gradients(engine, &case, &given)?, "{config:?}");
        }
        let (_, mut saved) = rnn.forward_saved(&one.call()).unwrap();
        rnn.set_weights(other.weights.clone()).unwrap();
        assert!(matches!(rnn.backward(&mut saved, &given.gradients()), Err(Error::WeightsChanged)));
        let wider = case(&config.clone().input_size(8), 5, 3, 94).weights;
        let refused = rnn.set_weights(wider);
        assert!(matches!(refused, Err(Error::Argument { name: "weights", .. })), "{refused:?}");
        assert_eq!(rnn.weights(), Some(&other.weights));
    }
    // Weights that an open input size waits for.
    let mut open = Rnn::lazy(engine, &Config::gru(5), Init::pytorch()).unwrap();
    let gru = case(&Config::gru(5).input_size(7), 5, 3, 95);
    open.set_weights(gru.weights.clone()).unwrap();
    assert_eq!(
        open.call(&gru.call()).unwrap(),
        Rnn::new(engine, gru.weights.clone()).call(&gru.call()).unwrap()
    );
    Ok(())
}

/// A steady loop with weights that change makes no GPU object.
pub fn a_loop_makes_no_object(_: &Engine) -> Outcome {
    let engine = Engine::gpu()?;
    let one = case(&Config::lstm(13).num_layers(2).bidirectional().input_size(7), 5, 3, 96);
    let mut rnn = Rnn::new(&engine, one.weights.clone());
    let (given, mut weights) = (given(&one, 97), one.weights.clone());
    let mut before = 0;
    for step in 0..6 {
        let (_, mut saved) = rnn.forward_saved(&one.call()).unwrap();
        let gradients = rnn.backward(&mut saved, &given.gradients()).unwrap().weights;
        weights.add_scaled(&gradients, -0.01).unwrap();
        rnn.set_weights(weights.clone()).unwrap();
        match step {
            0 | 1 => before = inspect::objects_made(&engine),
            _ => assert_eq!(inspect::objects_made(&engine), before, "step {step}"),
        }
    }
    Ok(())
}
