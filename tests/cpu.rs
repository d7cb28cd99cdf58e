//! The reference against real PyTorch (`golden/make_pytorch.py`) and real MXNet (`golden/notebook/`).

mod common;

use common::{F32, F64, MXNET, difference, golden, rank3};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use wgpu_rnn::{Activation, Cell, Directions, Float, Layout, State, Weights, reference};

/// A PyTorch module's settings, its parameters, and one call of it.
struct Golden {
    settings: serde_json::Value,
    tensors: BTreeMap<String, ArrayD<f64>>,
}

impl Golden {
    fn all() -> Vec<(String, Golden)> {
        let (metadata, tensors) = golden("pytorch.safetensors");
        let cases = metadata.iter().filter(|(name, _)| *name != "torch").map(|(name, settings)| {
            let prefix = format!("{name}/");
            let own = tensors
                .iter()
                .filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?.to_owned(), tensor.clone())));
            (
                name.clone(),
                Golden { settings: serde_json::from_str(settings).unwrap(), tensors: own.collect() },
            )
        });
        cases.collect()
    }

    fn get<T: Float>(&self, name: &str) -> Option<ArrayD<T>> {
        Some(self.tensors.get(name)?.mapv(|number| T::from(number).unwrap()))
    }

    fn weights<T: Float>(&self) -> Weights<T> {
        let activation = self.settings["nonlinearity"].as_str().map(|name| name.parse().unwrap());
        let tensors = self.tensors.keys().filter(|name| name.contains("_l"));
        let tensors = tensors.map(|name| (name.clone(), self.get(name).unwrap()));
        let layout = if self.settings["batch_first"] == true { Layout::Ntc } else { Layout::Tnc };
        Weights::reader().activation(activation).from_tensors(tensors).unwrap().layout(layout)
    }

    fn check<T: Float>(&self, name: &str, tolerance: common::Tolerance) {
        let weights = self.weights::<T>();
        let config = weights.config();
        // The network inferred from names and shapes is the network of the framework's module.
        assert_eq!(config.cell.name(), self.settings["kind"], "{name}");
        assert_eq!(config.num_layers, self.settings["num_layers"], "{name}");
        assert_eq!(config.directions == Directions::Both, self.settings["bidirectional"], "{name}");
        assert_eq!(config.bias, self.settings["bias"], "{name}");

        let state = self.get("h0").map(|h| State { h: rank3(h), c: self.get("c0").map(rank3) });
        let input = self.get::<T>("input").unwrap();
        let answer = reference::forward(&weights, &input, state.as_ref()).unwrap();
        let check = |key: &str, ours: Option<&ndarray::Array3<T>>| {
            let theirs = self.tensors.get(key).cloned().map(rank3);
            assert_eq!(ours.is_some(), theirs.is_some(), "{name}: {key}");
            if let (Some(ours), Some(theirs)) = (ours, theirs) {
                difference(key, ours, &theirs, tolerance).unwrap_or_else(|error| panic!("{name}: {error}"));
            }
        };
        check("output", Some(&answer.output));
        check("h_n", Some(&answer.h_n));
        check("c_n", answer.c_n.as_ref());
    }
}

#[test]
fn equals_pytorch_in_f64() {
    let cases = Golden::all();
    assert_eq!(cases.len(), 4 * 12);
    cases.iter().for_each(|(name, case)| case.check::<f64>(name, F64));
}

#[test]
fn equals_pytorch_in_f32() {
    Golden::all().iter().for_each(|(name, case)| case.check::<f32>(name, F32));
}

/// The files' names, and whether each must have a cell state.
const NOTEBOOK: [(&str, Cell); 12] = [
    ("rnn", Cell::Vanilla(Activation::Relu)),
    ("stack_rnn", Cell::Vanilla(Activation::Relu)),
    ("bidir_rnn", Cell::Vanilla(Activation::Relu)),
    ("stack_bidir_rnn", Cell::Vanilla(Activation::Relu)),
    ("lstm", Cell::Lstm),
    ("stack_bidir_lstm", Cell::Lstm),
    ("rnn_zero_state", Cell::Vanilla(Activation::Relu)),
    ("stack_rnn_zero_state", Cell::Vanilla(Activation::Relu)),
    ("bidir_rnn_zero_state", Cell::Vanilla(Activation::Relu)),
    ("stack_bidir_rnn_zero_state", Cell::Vanilla(Activation::Relu)),
    ("lstm_zero_state", Cell::Lstm),
    ("stack_bidir_lstm_zero_state", Cell::Lstm),
];

#[test]
fn equals_mxnet() {
    for (name, cell) in NOTEBOOK {
        let (_, tensors) = golden(&format!("notebook/{name}.safetensors"));
        let get = |key: &str| tensors.get(key).map(|tensor| rank3(tensor.mapv(|number| number as f32)));
        let weights = tensors.iter().filter_map(|(key, tensor)| {
            Some((key.strip_prefix("param.")?.to_owned(), tensor.mapv(|number| number as f32)))
        });
        let weights = Weights::reader().activation(cell.activation()).from_tensors(weights).unwrap();
        assert_eq!(weights.config().cell, cell);
        let state = get("state_h0").map(|h| State { h, c: get("state_c0") });
        let answer = reference::forward(&weights, &get("input").unwrap(), state.as_ref()).unwrap();
        difference("output", &answer.output, &get("output").unwrap(), MXNET).unwrap();
        difference("h_n", &answer.h_n, &get("state_h").unwrap(), MXNET).unwrap();
        assert_eq!(answer.c_n.is_some(), cell.has_cell_state());
        if let Some(c_n) = answer.c_n {
            difference("c_n", &c_n, &get("state_c").unwrap(), MXNET).unwrap();
        }
    }
}
