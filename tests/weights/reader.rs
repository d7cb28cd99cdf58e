//! Tensors by name: the network that they make, and what is refused.

use crate::says;
use ndarray::{ArrayD, IxDyn};
use wgpu_rnn::{Activation, Cell, Config, Error, Init, Naming, Weights};

/// Every tensor of every option, under both names, and what the network is told from them.
#[test]
fn options_are_told_from_names_and_shapes() {
    let lstm = || Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    for config in [
        lstm().proj_size(5),
        lstm().peepholes(),
        lstm().layer_norm().learned_state(),
        lstm().proj_size(3).peepholes().layer_norm().learned_state().without_bias(),
        Config::gru(13).learned_state().input_size(7),
        Config::stack(&[(Cell::Lstm, 13), (Cell::Gru, 5), (Cell::Vanilla(Activation::Tanh), 8)])
            .bidirectional()
            .input_size(7),
        Config::stack(&[(Cell::Lstm, 13), (Cell::Lstm, 5)]).input_size(7).proj_size(4),
        Config::rnn_tanh(3).activations(&[Activation::LeakyRelu { alpha: 0.25 }]).input_size(2),
        Config::rnn_tanh(3).bidirectional().activations(&[Activation::Relu, Activation::Tanh]).input_size(2),
        Config::gru(3)
            .activations(&[Activation::HardSigmoid { alpha: 0.25, beta: 0.5 }, Activation::Relu])
            .input_size(2),
        Config::stack(&[
            (Cell::Vanilla(Activation::Relu), 4),
            (Cell::Vanilla(Activation::Tanh), 6),
            (Cell::Gru, 4),
        ])
        .input_size(3),
        Config::stack(&[(Cell::Vanilla(Activation::Relu), 4), (Cell::Vanilla(Activation::Tanh), 4)])
            .input_size(3),
    ] {
        let weights = Weights::init(&config, &Init::pytorch().seed(2)).unwrap();
        for naming in [Naming::PyTorch, Naming::Gluon] {
            let bytes = weights.to_safetensors(naming).unwrap();
            let read = Weights::reader().from_bytes(&bytes).unwrap();
            assert_eq!(read, weights);
        }
    }
    // A tensor more than the network has.
    let made = Weights::init(&lstm(), &Init::gluon()).unwrap();
    let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
    let tensors: Vec<_> = tensors.collect();
    let peephole = ("weight_peephole_l0".to_owned(), ArrayD::zeros(IxDyn(&[39])));
    let all = tensors.into_iter().chain([peephole]);
    says(
        Weights::reader()
            .settings(|mut config| {
                config.peepholes = false;
                config
            })
            .from_tensors(all),
        "tensor weight_peephole_l0: the network of the other tensors has no tensor of this name",
    );
}

fn tensors(names: &[(&str, &[usize])]) -> Result<Weights, Error> {
    let tensors = names.iter().map(|(name, shape)| ((*name).to_owned(), ArrayD::zeros(IxDyn(shape))));
    Weights::reader().from_tensors(tensors)
}

#[test]
fn tensors_are_refused() {
    says(tensors(&[]), "weight tensor weight_ih_l0: expected shape [G*H, I], found no such tensor");
    says(
        tensors(&[("l0_i2h_weight", &[8, 3])]),
        "weight tensor l0_h2h_weight: expected shape [G*H, H], found no such tensor",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("bias_ih_l0", &[9])]),
        "weight tensor bias_hh_l0: expected shape [9], found no such tensor",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("weight_ih_l2_reverse", &[9, 3])]),
        "weight tensor weight_ih_l0_reverse: expected shape [9, 3], found no such tensor",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("weight_ih_l60000", &[9, 3])]),
        "weight tensor weight_ih_l1: expected shape [G*H, D*H], found no such tensor",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("fc.weight", &[9, 3])]),
        "tensor \"fc.weight\" is not a weight of an RNN, LSTM or GRU (expected names like weight_ih_l0_reverse or \
         r0_i2h_weight)",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("l0_h2h_weight", &[9, 3])]),
        "tensor names: expected one scheme, found PyTorch's (weight_ih_l0) and Gluon's (l0_h2h_weight)",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 4])]),
        &format!("weight_hh_l0: expected shape {}, found [9, 4]", shapes_of_every_cell(4)),
    );
    says(
        tensors(&[("weight_ih_l0", &[12, 3]), ("weight_hh_l0", &[9, 3])]),
        "weight_ih_l0: expected shape [9, 3], found [12, 3]",
    );
    says(
        tensors(&[("weight_ih_l0", &[9]), ("weight_hh_l0", &[9, 3])]),
        "weight_ih_l0: expected shape [G*H, I], found [9]",
    );
    says(
        tensors(&[("weight_ih_l0", &[0, 0]), ("weight_hh_l0", &[0, 0])]),
        "weight_ih_l0: expected shape [G*H, I], found [0, 0]",
    );
    says(
        tensors(&[("weight_ih_l0", &[3, 3]), ("weight_hh_l0", &[3, 3])]),
        "activation: expected relu, tanh or another one for a vanilla RNN (given by the caller or as \"activation\" in the file's \
         metadata), found none",
    );
    assert!("selu".parse::<Activation>().unwrap_err().to_string().ends_with("found \"selu\""));
}

#[test]
fn the_activation_comes_from_the_metadata_or_the_caller() {
    let weights = Weights::init(&Config::rnn_tanh(3).input_size(2), &Init::gluon()).unwrap();
    let bytes = weights.to_safetensors(Naming::Gluon).unwrap();
    let read = |activation| Weights::reader().activation(activation).from_bytes(&bytes);
    for activation in [None, Some(Activation::Tanh)] {
        assert_eq!(read(activation).unwrap().config().cell, Cell::Vanilla(Activation::Tanh));
    }
    says(
        read(Some(Activation::Relu)),
        r#"cells: expected rnn_tanh, as metadata "cells" of the file states, found rnn_relu"#,
    );
}

#[test]
fn the_metadata_of_other_cells_may_hold_what_it_will() {
    let bytes = [0; 4 * 4];
    let view = |shape: &[usize]| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes).unwrap()
    };
    let tensors = [("weight_ih_l0", view(&[4, 1])), ("weight_hh_l0", view(&[4, 1]))];
    let metadata = std::collections::HashMap::from([("activation".to_owned(), "gelu".to_owned())]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).unwrap();
    assert_eq!(Weights::reader().from_bytes(&bytes).unwrap().config().cell, Cell::Lstm);
}

/// The shapes of `weight_hh` at H, and the cells of the table that have each: `[4, 4] (rnn_relu, rnn_tanh) or
/// ...`.
fn shapes_of_every_cell(hidden: usize) -> String {
    let mut by_gates = std::collections::BTreeMap::<usize, Vec<&str>>::new();
    Cell::ALL.iter().for_each(|cell| by_gates.entry(cell.gates()).or_default().push(cell.name()));
    let shape =
        |(gates, names): (usize, Vec<&str>)| format!("[{}, {hidden}] ({})", gates * hidden, names.join(", "));
    by_gates.into_iter().map(shape).collect::<Vec<_>>().join(" or ")
}
