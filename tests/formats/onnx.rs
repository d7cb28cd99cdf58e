//! Models of ONNX: which nodes make a network, and what is refused.

use crate::{data, says};
use wgpu_rnn::file::{self, Limits, NetworkInfo};
use wgpu_rnn::{Config, Layout, Weights};

fn networks(name: &str) -> Vec<NetworkInfo> {
    let path = data(&format!("onnx/{name}.onnx"));
    file::inspect(path, Limits::default()).unwrap().networks
}

/// One network, of as many layers.
#[track_caller]
fn stack(name: &str, layers: usize) -> Config {
    let networks = networks(name);
    assert_eq!(networks.len(), 1, "{name}: {networks:?}");
    assert_eq!(networks[0].fault, None, "{name}");
    let config = networks[0].config.clone().unwrap();
    assert_eq!(config.num_layers, layers, "{name}");
    config
}

#[test]
fn nodes_on_each_other_are_one_network() {
    for kind in ["script", "dynamo"] {
        stack(&format!("{kind}_lstm"), 3);
        for name in ["bilstm", "gru", "batch_first", "states", "fixed"] {
            stack(&format!("{kind}_{name}"), 2);
        }
        assert_eq!(stack(&format!("{kind}_batch_first"), 2).layout, Layout::Ntc);
        assert_eq!(networks(&format!("{kind}_batch_first"))[0].settings["layout"], "ntc");
        assert_eq!(stack(&format!("{kind}_bilstm"), 2).layout, Layout::Tnc);
    }
    for name in ["script_rnn", "script_learned", "script_opset9", "script_opset12", "script_opset13"] {
        stack(name, 2);
    }
    for name in ["opset7", "opset11", "opset22", "by_batch", "split", "sum", "multiply", "average"] {
        stack(&format!("stack_{name}"), 2);
    }
    assert_eq!(stack("stack_of_cells", 3).stack.len(), 3);
    for name in ["quantized_whole", "quantized_rows"] {
        stack(name, 2);
        let notes = networks(name)[0].notes.join("");
        assert!(notes.contains("weights of 8 bits are dequantised"), "{notes}");
    }
    // Options that one network cannot have.
    let names = networks("apart").into_iter().map(|info| info.name).collect::<Vec<_>>();
    assert_eq!(names, ["first", "second"]);
}

#[test]
fn bodies_have_networks_too() {
    let names = networks("if").into_iter().map(|info| info.name).collect::<Vec<_>>();
    assert_eq!(names, ["ccc/RNN", "bb/LSTM", "a/GRU"]);
    let path = data("onnx/if.onnx");
    says(Weights::load(&path), "found \"ccc/RNN\" (rnn_tanh, 1 layer, input 3, hidden 5), \"bb/LSTM\" (lstm");
    for name in ["GRU", "bb/LSTM", "RNN"] {
        Weights::reader().prefix(name.to_owned()).load(&path).unwrap();
    }
}

#[test]
fn what_is_given_with_each_call_is_told() {
    let notes = networks("lstm_given")[0].notes.join("; ");
    assert!(notes.contains("initial_h is given or computed"), "{notes}");
    assert!(notes.contains("initial_c is given or computed"), "{notes}");
    assert_eq!(networks("zeros")[0].notes, [""; 0]);
    assert!(stack("learned", 1).learned_state && stack("script_learned", 2).learned_state);
}

#[test]
fn what_a_node_says_and_no_network_has_is_refused_by_name() {
    for (name, expected) in [
        ("given", "W: expected numbers of the model, found \"array_1\", which is given or computed"),
        ("output_sequence", "found \"output_sequence\""),
        ("opset", "opset: expected 7 or more, found 6"),
        ("lengths", "sequence_lens: expected an input of the model, found numbers of the model"),
        ("state", "initial_h: expected one row for a batch, [1, 1, 5], found [1, 2, 5]"),
        ("activation", "activations: expected some of relu, tanh"),
        ("hidden", "hidden_size: expected 5, as R has, found 4"),
    ] {
        let path = data(&format!("onnx/refused_{name}.onnx"));
        says(Weights::load(&path), expected);
        let fault = networks(&format!("refused_{name}"))[0].fault.clone().unwrap();
        assert!(fault.contains(expected), "{fault}");
        // A configuration does not mend it.
        says(Weights::reader().config(&Config::lstm(5).input_size(3)).load(&path), expected);
    }
}

/// Functions that call functions, of few bytes.
#[test]
fn functions_have_an_end() {
    for (name, expected) in [
        ("endless", "ONNX functions: needs 65 containers within each other"),
        ("many", "ONNX nodes of functions: needs 1048577 tensors"),
    ] {
        says(Weights::load(data(&format!("onnx/refused_{name}.onnx"))), expected);
    }
}

/// An option that the file states otherwise.
#[test]
fn contradictions_are_refused_by_both_names() {
    let read = |name: &str, settings: fn(Config) -> Config| {
        Weights::reader().settings(settings).load(data(&format!("onnx/{name}.onnx")))
    };
    says(
        read("gru_lbr0_1", |config| config.gru_reset(wgpu_rnn::Reset::After)),
        "gru_reset: expected before, as attribute linear_before_reset of the file states, found after",
    );
    says(
        read("lstm_clip_2", |config| config.preactivation_clip(2.0)),
        "preactivation_clip: expected 0.5, as attribute clip of the file states, found 2",
    );
    let rnn = Weights::reader().activation(wgpu_rnn::Activation::Tanh).load(data("onnx/script_rnn.onnx"));
    says(rnn, "cells: expected rnn_relu,rnn_relu, as the operators of the file");
}

#[test]
fn numbers_in_a_file_beside_are_within_its_folder() {
    let whole = std::fs::read(data("onnx/external.onnx")).unwrap();
    says(Weights::reader().from_bytes(&whole), "expected a file on disk that it lies beside");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.onnx");
    std::fs::write(&path, &whole).unwrap();
    says(Weights::load(&path), "external.onnx.data");
    let numbers = std::fs::read(data("onnx/external.onnx.data")).unwrap();
    std::fs::write(folder.path().join("external.onnx.data"), &numbers[..numbers.len() - 4]).unwrap();
    says(Weights::load(&path), "bytes from byte");
    std::fs::write(folder.path().join("external.onnx.data"), &numbers).unwrap();
    Weights::load(&path).unwrap();
    let name = b"external.onnx.data";
    let place = whole.windows(name.len()).position(|window| window == name).unwrap();
    for other in [b"../xternal.onnx.da", b"/xternal.onnx.data"] {
        let mut changed = whole.clone();
        changed[place..place + name.len()].copy_from_slice(other);
        std::fs::write(&path, &changed).unwrap();
        says(Weights::load(&path), "expected a path within the model's folder");
    }
}
