//! Layers of Keras by their names, and what their configuration states.

use crate::{data, says};
use wgpu_rnn::file::{self, Limits};
use wgpu_rnn::{Activation, Cell, Config, Directions, Error, Merge, Reset, Weights};

fn read(file: &str, name: &str) -> Result<Weights, Error> {
    Weights::reader().prefix(name.to_owned()).load(data(file))
}

#[test]
fn a_layer_is_picked_by_its_name() {
    for file in ["keras_model.keras", "keras_unnamed.keras", "keras_model.h5"] {
        let inspection = file::inspect(data(file), Limits::default()).unwrap();
        let mut names: Vec<&str> = inspection.networks.iter().map(|found| found.name.as_str()).collect();
        names.sort_unstable();
        let all = ["apart", "enc", "first", "hard", "inner/gru", "last", "rnn", "sum", "swish", "wrapped"];
        assert_eq!(names, all, "{file}");
        let config = |name: &str| read(file, name).unwrap().config().clone();
        assert_eq!(config("first"), Config::lstm(5).input_size(3), "{file}");
        assert_eq!(config("enc"), Config::lstm(5).bidirectional().input_size(5), "{file}");
        let sum = Config::gru(4).bidirectional().merge(Merge::Sum).gru_reset(Reset::Before).input_size(10);
        assert_eq!(config("sum"), sum, "{file}");
        let gru = Config::gru(3).directions(Directions::Reverse).input_size(4);
        assert_eq!(config("inner/gru"), gru, "{file}");
        assert_eq!(config("gru"), gru, "{file}");
        let gate = Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 };
        let hard = Config::lstm(5).activations(&[gate, Activation::Softsign, Activation::Softsign]);
        assert_eq!(config("hard"), hard.without_bias().input_size(3), "{file}");
        assert_eq!(config("rnn").cell, Cell::Vanilla(Activation::Relu), "{file}");
        assert_eq!(config("apart").merge, Merge::Apart, "{file}");
        // A number of rows that tells where the reset acts is not there.
        assert_eq!(
            (config("last").merge, config("last").gru_reset),
            (Merge::Multiply, Reset::After),
            "{file}"
        );
        let takes_last =
            |name: &str| inspection.networks.iter().any(|found| found.name == name && found.last_only);
        assert_eq!((takes_last("rnn"), takes_last("last"), takes_last("enc")), (true, true, false), "{file}");
        says(read(file, "nc"), "prefix: expected the network \"nc\", found ");
        says(Weights::load(data(file)), "\"enc\" (lstm, 1 layer, bidirectional, input 5, hidden 5)");
    }
}

#[test]
fn the_configuration_holds() {
    let path = data("keras_model.keras");
    let reader = |name: &str| Weights::reader().prefix(name.to_owned());
    let told = reader("sum").settings(|config| config.merge(Merge::Average)).load(&path);
    says(told, "merge: expected sum, as merge_mode sum of the file states, found average");
    let told = reader("inner/gru").settings(|config| config.gru_reset(Reset::Before)).load(&path);
    says(told, "gru_reset: expected after");
    let told = reader("rnn").activation(Activation::Tanh).load(&path);
    says(told, "as class SimpleRNN of the file states");
    // Activations that are the cell's own may be named, and others may not.
    let named = |activations: [Activation; 2]| {
        reader("inner/gru").settings(move |config| config.activations(&activations)).load(&path)
    };
    named([Activation::Sigmoid, Activation::Tanh]).unwrap();
    says(named([Activation::Tanh, Activation::Tanh]), "activations: expected");
}

#[test]
fn a_function_of_no_network_is_refused_by_name() {
    let expected = "layer \"swish\": activation: expected tanh, sigmoid, relu, softsign, softplus, elu, linear, \
                    leaky_relu or hard_sigmoid, found \"silu\"";
    says(read("keras_model.keras", "swish"), expected);
    let config = Config::gru(2).input_size(5);
    let reader = Weights::reader().prefix("swish".to_owned()).config(&config);
    says(reader.load(data("keras_model.keras")), expected);
    let inspection = file::inspect(data("keras_model.keras"), Limits::default()).unwrap();
    let found = inspection.networks.iter().find(|found| found.name == "swish").unwrap();
    assert!(found.fault.as_ref().unwrap().contains(expected), "{found:?}");
}

#[test]
fn weights_alone_tell_no_activation() {
    says(read("keras_lstm.weights.h5", "two"), "activation: expected");
    let inspection = file::inspect(data("keras_f16.weights.h5"), Limits::default()).unwrap();
    let types: Vec<&str> = inspection.arrays.iter().map(|array| array.dtype.as_str()).collect();
    assert_eq!(types, ["f16"; 3]);
    assert_eq!(inspection.networks[0].name, "half");
}

#[test]
fn limits_are_kept() {
    let read = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Weights::reader().prefix("enc".to_owned()).limits(limits).load(data("keras_model.keras"))
    };
    read(|_| {}).unwrap();
    says(read(|limits| limits.tensors = 20), "the limits of reading can hold at most 20");
    says(read(|limits| limits.depth = 3), "containers within each other, and the limits");
    says(read(|limits| limits.bytes = Some(1000)), "bytes, and the limits of reading can hold at most");
}
