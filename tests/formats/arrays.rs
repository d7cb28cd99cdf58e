//! Arrays by their names are those that the program which wrote the file reads.

use crate::{data, says};
use ndarray::{Array1, Array2, ArrayD, Ix2, IxDyn};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use wgpu_rnn::file::{self, Arrays, Limits};

/// Sums of a few hundred numbers in double precision, in another order than NumPy's.
const TOLERANCE: f64 = 1e-9;

fn open(path: impl AsRef<Path>) -> Arrays {
    Arrays::open(path, Limits::default()).unwrap()
}

/// The files of `arrays.json`, by name, and what the other program has read: arrays by name.
fn files() -> BTreeMap<String, BTreeMap<String, Value>> {
    serde_json::from_slice(&file::read(data("arrays.json")).unwrap()).unwrap()
}

/// The sum of all numbers, and their sum by place.
fn sums(array: &ArrayD<f64>) -> [f64; 2] {
    let by_place = array.iter().enumerate().map(|(place, x)| x * (1 + place % 97) as f64);
    [array.sum(), by_place.sum()]
}

#[test]
fn every_dialect_gives_the_numbers_of_its_framework() {
    let (mut dialects, mut compared) = (BTreeMap::new(), 0);
    for (name, theirs) in files() {
        let arrays = open(data(&name));
        *dialects.entry(file::inspect(data(&name), Limits::default()).unwrap().dialect).or_insert(0) += 1;
        for (array, expected) in &theirs {
            let ours: ArrayD<f64> = arrays.array(array).unwrap();
            let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
            assert_eq!(ours.shape(), shape, "{name} {array}");
            for (ours, key) in sums(&ours).into_iter().zip(["sum", "by_place"]) {
                let theirs = expected[key].as_f64().unwrap();
                assert!((ours - theirs).abs() <= TOLERANCE * theirs.abs().max(1.0), "{name} {array}: {key}");
            }
            // The nearest f32 of each.
            let single: ArrayD<f32> = arrays.array(array).unwrap();
            assert_eq!(single, ours.mapv(|x| x as f32), "{name} {array}");
            compared += 1;
        }
        assert!(arrays.names().count() >= theirs.len(), "{name}");
    }
    assert!(dialects.len() >= 8 && compared > 300, "{compared} arrays of {dialects:?}");
}

/// Every file that has a network is one whose arrays can be asked for by the names of an inspection.
#[test]
fn names_are_those_of_an_inspection() {
    for name in files().into_keys() {
        let inspection = file::inspect(data(&name), Limits::default()).unwrap();
        let told: Vec<&str> = inspection.arrays.iter().map(|array| array.name.as_str()).collect();
        assert_eq!(open(data(&name)).names().collect::<Vec<_>>(), told, "{name}");
        let bytes = std::fs::read(data(&name)).unwrap();
        // A file beside is out of reach.
        if let Ok(arrays) = Arrays::from_bytes(bytes, Limits::default()) {
            assert_eq!(arrays.names().collect::<Vec<_>>(), told, "{name}");
        } else {
            assert!(name.contains("external"), "{name}");
        }
    }
}

#[test]
fn a_name_that_is_not_there_lists_near_ones() {
    let arrays = open(data("pytorch_model.safetensors"));
    let refused = |name: &str| arrays.array::<f32, IxDyn>(name);
    says(refused("head.weights"), r#"array: expected "head.weights", found "head.weight", "head.bias", "#);
    says(refused("Projected.weight_hr_l0"), r#"found "projected.weight_hr_l0", "#);
    says(refused(""), " and ");
    let error = refused("head.weights").unwrap_err().to_string();
    assert!(
        error.contains("pytorch_model.safetensors: array: expected") && error.ends_with(" more"),
        "{error}"
    );
    // All names, if they are few.
    let few = open(data("mxnet_flat.npz"));
    says(few.array::<f32, IxDyn>("x"), r#"array: expected "x", found "encoder.rnn_param""#);
}

/// A control character in a name does not reach a terminal, and a long name is cut.
#[test]
fn names_are_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let row = Array1::<f32>::ones(2);
    file::save_tensors(&path, [("a\n\u{1b}[2J".to_owned(), row.view().into_dyn())]).unwrap();
    says(open(&path).array::<f32, IxDyn>(&"y".repeat(100_000)), r#"found "a\n\u{1b}[2J""#);
    file::save_tensors::<f32>(&path, []).unwrap();
    says(open(&path).array::<f32, IxDyn>("y"), r#"array: expected "y", found no arrays"#);
}

#[test]
fn axes_are_those_that_are_asked_for() {
    let arrays = open(data("pytorch_model.safetensors"));
    let weight: Array2<f32> = arrays.array("head.weight").unwrap();
    assert_eq!(weight.dim(), (2, 5));
    let bias = arrays.array::<f32, Ix2>("head.bias");
    says(bias, "pytorch_model.safetensors: head.bias: expected shape of 2 axes, found [2]");
}

/// Two arrays of one name, as graphs within each other may have them, are none that is meant.
#[test]
fn texts_and_twins_are_refused() {
    let bytes = file::read(data("onnx/if.onnx")).unwrap();
    let names: Vec<String> = open(data("onnx/if.onnx")).names().map(str::to_owned).collect();
    // Two names of one length, of which one is given to both arrays.
    let pairs = || names.iter().flat_map(|one| names.iter().map(move |other| (one, other)));
    let (one, other) = pairs().find(|(one, other)| one != other && one.len() == other.len()).unwrap();
    let changed: Vec<u8> = replaced(&bytes, one.as_bytes(), other.as_bytes());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.onnx");
    std::fs::write(&path, changed).unwrap();
    says(open(&path).array::<f32, IxDyn>(other), &format!("array: expected {other:?}, found 2"));
    let path = data("keras_2_hard.h5");
    for array in file::inspect(&path, Limits::default()).unwrap().arrays {
        let is_number = ["f32", "f64", "f16", "i64", "i32", "u8"].contains(&array.dtype.as_str());
        assert_eq!(open(&path).array::<f32, IxDyn>(&array.name).is_ok(), is_number, "{array:?}");
    }
}

fn replaced(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut all = bytes.to_vec();
    for at in 0..all.len().saturating_sub(from.len()) {
        if all[at..].starts_with(from) {
            all[at..at + from.len()].copy_from_slice(to);
        }
    }
    all
}
