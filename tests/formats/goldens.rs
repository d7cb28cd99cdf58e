//! Networks of real files compute what their frameworks have computed.

use crate::data;
use ndarray::{ArrayD, Ix3};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use wgpu_rnn::file::{self, Limits};
use wgpu_rnn::{Activation, Call, Config, State, Weights, reference};

/// The frameworks compute in f32 (MXNet, Keras), or give f32 (PyTorch, in f64): outputs are below 1.
const TOLERANCE: f64 = 2e-6;

pub struct Case {
    pub name: String,
    pub file: String,
    pub weights: Weights,
    arrays: BTreeMap<&'static str, ArrayD<f32>>,
    lengths: Option<Vec<usize>>,
    last_only: bool,
    /// The sizes were given: the file has all weights in one vector.
    is_sized: bool,
}

/// The arrays that a framework was given and has computed: some of these.
const ARRAYS: [&str; 7] = ["input", "h0", "c0", "output", "output_reverse", "h_n", "c_n"];

/// The networks of the goldens, read from their files.
pub fn cases() -> Vec<Case> {
    ["mxnet", "mxnet2", "pytorch", "onnx", "keras"].into_iter().flat_map(cases_of).collect()
}

fn cases_of(framework: &str) -> Vec<Case> {
    let path = data(&format!("{framework}.safetensors"));
    let bytes = file::read(&path).unwrap();
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let cases = header.metadata().as_ref().unwrap()["cases"].clone();
    let cases: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_str(&cases).unwrap();
    let tensors = file::Tensors::load(&path).unwrap();
    let read = |(name, settings): (&String, &BTreeMap<String, Value>)| {
        let text = |key: &str| settings.get(key).map(|value| value.as_str().unwrap().to_owned());
        let file = text("file").unwrap();
        let activation = text("activation").map(|name| name.parse::<Activation>().unwrap());
        let mut reader = Weights::reader().prefix(text("prefix")).activation(activation);
        if let Some(sizes) = settings.get("config") {
            // One vector tells no sizes.
            reader = reader.config(&config(sizes));
        }
        let weights = reader.load(data(&file)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let array = |part: &'static str| Some((part, tensors.f32(&format!("{name}.{part}")).unwrap()?));
        let lengths = tensors.integers(&format!("{name}.lengths")).unwrap();
        let lengths =
            lengths.map(|lengths| lengths.iter().map(|&len| usize::try_from(len).unwrap()).collect());
        Case {
            name: name.clone(),
            file,
            weights,
            arrays: ARRAYS.into_iter().filter_map(array).collect(),
            lengths,
            is_sized: settings.contains_key("config"),
            last_only: settings.get("last_only").is_some_and(|is_set| is_set.as_bool().unwrap()),
        }
    };
    cases.iter().map(read).collect()
}

/// A network by its cell and sizes.
fn config(sizes: &Value) -> Config {
    let size = |name: &str| sizes.get(name).map(|size| usize::try_from(size.as_u64().unwrap()).unwrap());
    let hidden_size = size("hidden_size").unwrap();
    let mut config = match sizes["cell"].as_str().unwrap() {
        "lstm" => Config::lstm(hidden_size),
        "gru" => Config::gru(hidden_size),
        "rnn_tanh" => Config::rnn_tanh(hidden_size),
        other => panic!("cell {other}"),
    };
    config = config.input_size(size("input_size").unwrap()).num_layers(size("num_layers").unwrap_or(1));
    if let Some(proj_size) = size("proj_size") {
        config = config.proj_size(proj_size);
    }
    if sizes.get("bidirectional").is_some() { config.bidirectional() } else { config }
}

#[test]
fn networks_compute_what_their_framework_does() {
    let cases = cases();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    for Case { name, weights, arrays, lengths, last_only, .. } in cases {
        let given = |part: &str| {
            let array = arrays.get(part)?.mapv(f64::from);
            Some(array.into_dimensionality::<Ix3>().unwrap())
        };
        let input = given("input").unwrap();
        let state = given("h0").map(|h| State { h, c: given("c0") });
        let call = Call::new(&input).state(state.as_ref());
        let call = match &lengths {
            Some(lengths) => call.lengths(lengths.as_slice()),
            None => call,
        };
        let call = if last_only { call.last_only() } else { call };
        let ours = reference::call(&weights.cast::<f64>(), &call).unwrap();
        let mut compared = 0;
        let results = [
            ("output", Some(&ours.output)),
            ("output_reverse", ours.output_reverse.as_ref()),
            ("h_n", Some(&ours.h_n)),
            ("c_n", ours.c_n.as_ref()),
        ];
        for (part, ours) in results {
            let Some(theirs) = arrays.get(part) else { continue };
            let ours = ours.unwrap();
            // A last output has one step, or no axis of steps.
            let shape =
                |shape: &[usize]| if last_only { shape[shape.len() - 2..].to_vec() } else { shape.to_vec() };
            assert_eq!(shape(ours.shape()), shape(theirs.shape()), "{name} {part}");
            for (place, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
                let difference = (ours - f64::from(*theirs)).abs();
                assert!(difference <= TOLERANCE, "{name} {part}: {ours} and {theirs} at {place}");
                compared += 1;
            }
        }
        assert!(compared > 0, "{name}");
    }
}

/// Looking at a file tells the same networks as reading it.
#[test]
fn inspection_tells_the_networks() {
    for Case { name, file, weights, is_sized, .. } in cases() {
        let inspection = file::inspect(data(&file), Limits::default()).unwrap();
        if is_sized {
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
        let few = name.contains("gru") || file.ends_with(".onnx") || file.starts_with("keras");
        assert!(inspection.arrays.len() >= 4 || few, "{name}");
    }
}

/// Every type of MXNet: those that it writes, and those of a newer one in the place of a type as long.
#[test]
fn every_type_flag_of_mxnet() {
    let types = |path: &Path| {
        let inspection = file::inspect(path, Limits::default()).unwrap();
        let arrays = inspection.arrays.into_iter().filter(|array| array.shape == [2, 3]);
        arrays.map(|array| array.dtype).collect::<Vec<_>>()
    };
    let path = data("mxnet_types.params");
    let written = ["f32", "f64", "f16", "u8", "i32", "i8", "i64", "bool", "bf16"];
    assert_eq!(types(&path), written);
    let folder = tempfile::tempdir().unwrap();
    let changed = folder.path().join("x.params");
    for (place, flag, expected) in [(2, 8, "i16"), (2, 9, "u16"), (0, 10, "u32"), (1, 11, "u64")] {
        let mut bytes = file::read(&path).unwrap();
        // Axes 2 and 3, the CPU, its number: then the flag.
        let head: Vec<u8> =
            [2_i64, 3].iter().flat_map(|axis| axis.to_le_bytes()).chain([1, 0, 0, 0, 0, 0, 0, 0]).collect();
        let places: Vec<usize> = (0..bytes.len() - head.len())
            .filter(|&at| bytes[at..].starts_with(&head))
            .map(|at| at + head.len())
            .collect();
        assert_eq!(places.len(), written.len());
        bytes[places[place]] = flag;
        std::fs::write(&changed, bytes).unwrap();
        assert_eq!(types(&changed)[place], expected);
    }
}
