//! Networks of real files compute what their frameworks have computed.

use crate::data;
use ndarray::{ArrayD, Ix3};
use serde_json::Value;
use std::collections::BTreeMap;
use wgpu_rnn::file::{self, Limits};
use wgpu_rnn::{Activation, Config, Weights, reference};

/// The frameworks compute in f32 (MXNet), or give f32 (PyTorch, in f64): outputs are below 1.
const TOLERANCE: f64 = 2e-6;

pub struct Case {
    pub name: String,
    pub file: String,
    pub weights: Weights,
    input: ArrayD<f32>,
    output: ArrayD<f32>,
}

/// The networks of the goldens, read from their files.
pub fn cases() -> Vec<Case> {
    ["mxnet", "pytorch"].into_iter().flat_map(cases_of).collect()
}

fn cases_of(framework: &str) -> Vec<Case> {
    let path = data(&format!("{framework}.safetensors"));
    let bytes = file::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let cases = header.metadata().as_ref().unwrap()["cases"].clone();
    let cases: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&cases).unwrap();
    let arrays = file::load_tensors(&path).unwrap();
    let read = |(name, settings): (&String, &BTreeMap<String, Value>)| {
        let text = |key: &str| settings.get(key).map(|value| value.as_str().unwrap().to_owned());
        let file = text("file").unwrap();
        let activation = text("activation").map(|name| name.parse::<Activation>().unwrap());
        let mut reader = Weights::reader().prefix(text("prefix")).activation(activation);
        if settings.contains_key("config") {
            // One vector tells no sizes.
            reader = reader.config(&Config::lstm(5).num_layers(2).bidirectional().input_size(3));
        }
        let weights = reader.load(data(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let array = |part: &str| arrays[&format!("{name}.{part}")].clone();
        Case { name: name.clone(), file, weights, input: array("input"), output: array("output") }
    };
    cases.iter().map(read).collect()
}

#[test]
fn networks_compute_what_their_framework_does() {
    let cases = cases();
    assert!(cases.len() >= 45, "{} cases", cases.len());
    for Case { name, weights, input, output, .. } in cases {
        let input = input.mapv(f64::from).into_dimensionality::<Ix3>().unwrap();
        let ours = reference::forward(&weights.cast::<f64>(), &input, None).unwrap().output.into_dyn();
        assert_eq!(ours.shape(), output.shape(), "{name}");
        for (place, (ours, theirs)) in ours.iter().zip(&output).enumerate() {
            let difference = (ours - f64::from(*theirs)).abs();
            assert!(difference <= TOLERANCE, "{name}: {ours} and {theirs} at {place}");
        }
    }
}

/// Looking at a file tells the same networks as reading it.
#[test]
fn inspection_tells_the_networks() {
    for Case { name, file, weights, .. } in cases() {
        let inspection = file::inspect(data(&file), Limits::default()).unwrap();
        if name == "flat" {
            let fault = inspection.networks[0].fault.as_ref().unwrap();
            assert!(fault.starts_with("config: expected cell, sizes, layers and directions"), "{fault}");
            continue;
        }
        let is_same = |info: &&file::NetworkInfo| {
            info.config.as_ref().is_some_and(|config| {
                let mut config = config.clone();
                // The activation was given.
                config.cell = weights.config().cell;
                config.cell.gates() == info.config.as_ref().unwrap().cell.gates()
                    && config == *weights.config()
            })
        };
        let numbers: usize = weights.tensors(wgpu_rnn::Naming::PyTorch).map(|(_, tensor)| tensor.len()).sum();
        let found =
            inspection.networks.iter().find(is_same).unwrap_or_else(|| panic!("{name}: {inspection:?}"));
        assert_eq!((found.parameters, &found.fault), (numbers, &None), "{name}");
        assert!(inspection.arrays.len() >= 4 || name.ends_with("_gru"), "{name}");
    }
    let inspection = file::inspect(data("mxnet_types.params"), Limits::default()).unwrap();
    let types =
        inspection.arrays.iter().filter(|array| array.shape == [2, 3]).map(|array| array.dtype.as_str());
    assert_eq!(types.collect::<Vec<_>>(), ["f16", "f32", "f64", "i32", "i64", "i8", "u8"]);
}
