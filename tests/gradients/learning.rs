//! Plain gradient descent goes down as PyTorch's does, from the same weights.

use crate::common::{golden, rank3};
use crate::engines::Outcome;
use ndarray::{Array3, ArrayD};
use wgpu_rnn::{Activation, Call, Engine, Naming, OutputGradients, Rnn, Weights};

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
            for (step, &theirs) in get("losses").iter().enumerate() {
                let rnn = Rnn::new(engine, weights.clone());
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
                let moved = weights.tensors(Naming::PyTorch).map(|(name, tensor)| {
                    let gradient = gradients.tensor(&name).unwrap();
                    (name, &tensor - &(&gradient * rate))
                });
                let moved: Vec<_> = moved.collect();
                weights = Weights::reader().config(weights.config()).from_tensors(moved).unwrap();
            }
        }
    }
    Ok(())
}
