//! The network that a file's metadata tell, and what they may not tell.

use crate::says;
use wgpu_rnn::file::{self, Tensors};
use wgpu_rnn::{Activation, Cell, Config, Error, Init, Naming, Reset, Weights};

fn bytes_of(config: &Config) -> Vec<u8> {
    let weights = Weights::init(config, &Init::pytorch()).unwrap();
    weights.to_safetensors(Naming::PyTorch).unwrap()
}

/// The tensors of a network, with other metadata.
fn with_metadata(config: &Config, entries: &[(&str, &str)]) -> Vec<u8> {
    let bytes = bytes_of(config);
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let entries = entries.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
    safetensors::serialize(tensors.iter(), Some(entries)).unwrap()
}

fn metadata(bytes: &[u8]) -> Vec<(String, String)> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    let mut entries: Vec<_> = header.metadata().clone().unwrap_or_default().into_iter().collect();
    entries.sort();
    entries
}

fn entry(key: &str, value: &str) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

#[test]
fn every_file_names_its_cells() {
    for cell in Cell::ALL {
        let bytes = bytes_of(&Config::new(cell, 3).num_layers(2).input_size(2));
        assert_eq!(metadata(&bytes), [entry("cells", &[cell.name(); 2].join(","))]);
    }
    let config = Config::gru(3)
        .activations(&[Activation::HardSigmoid { alpha: 0.25, beta: 0.5 }, Activation::Relu])
        .input_size(2);
    let entries = [entry("activations", "hard_sigmoid:0.25:0.5,relu"), entry("cells", "gru")];
    let bytes = bytes_of(&config);
    assert_eq!(metadata(&bytes), entries);
    // The order of the entries does not change from one time to the next, and the numbers keep their
    // alignment.
    (0..8).for_each(|_| assert_eq!(bytes_of(&config), bytes));
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    assert_eq!(header % 8, 0);
    assert_eq!(Weights::reader().from_bytes(&bytes).unwrap().config(), &config);
}

/// The file says which one of the cells with as many gates it is.
#[test]
fn the_metadata_tell_the_cell() {
    let (gru, rnn) = (Config::gru(3).num_layers(2).input_size(2), Config::rnn(3).num_layers(2).input_size(2));
    let cells = |config: &Config, text: &str| {
        let weights = Weights::reader().from_bytes(&with_metadata(config, &[("cells", text)]))?;
        let config = weights.config();
        let stack = config.stack.iter().map(|&(cell, _)| cell).collect::<Vec<_>>();
        Ok::<_, Error>(if stack.is_empty() { vec![config.cell; config.num_layers] } else { stack })
    };
    assert_eq!(
        cells(&rnn, "rnn_relu,rnn_tanh").unwrap(),
        [Cell::Vanilla(Activation::Relu), Cell::Vanilla(Activation::Tanh)]
    );
    assert_eq!(cells(&rnn, "rnn_tanh, rnn_tanh").unwrap(), [Cell::Vanilla(Activation::Tanh); 2]);
    assert_eq!(cells(&gru, "gru,gru").unwrap(), [Cell::Gru; 2]);
    let known = Cell::ALL.map(Cell::name).join(", ");
    for text in ["gru,minimal", "", "gru,", "GRU,GRU"] {
        let expected =
            format!(r#"metadata "cells": expected a cell for each layer ({known}), found {text:?}"#);
        says(cells(&gru, text), &expected);
    }
    says(cells(&gru, "gru"), r#"metadata "cells": expected a cell for each of 2 layers, found 1"#);
    says(
        cells(&gru, "gru,lstm"),
        r#"metadata "cells": expected weight_hh_l1 of [12, 3] (lstm), found [9, 3]"#,
    );
    says(
        cells(&rnn, "gru,rnn_relu"),
        r#"metadata "cells": expected weight_hh_l0 of [9, 3] (gru), found [3, 3]"#,
    );
    // Without metadata: the first cell of the table that has so many gates.
    let bytes = with_metadata(&gru, &[]);
    assert_eq!(Weights::reader().from_bytes(&bytes).unwrap().config().cell, Cell::Gru);
    let bytes = with_metadata(&gru, &[("format", "pt")]);
    assert_eq!(Weights::reader().from_bytes(&bytes).unwrap().config().cell, Cell::Gru);
}

#[test]
fn a_known_network_is_held_against_the_metadata() {
    let config = Config::gru(3).input_size(2);
    let bytes = with_metadata(&config, &[("cells", "gru")]);
    Weights::reader().config(&config).from_bytes(&bytes).unwrap();
    let bytes = with_metadata(&config, &[("cells", "lstm")]);
    says(
        Weights::reader().config(&config).from_bytes(&bytes),
        r#"metadata "cells": expected weight_hh_l0 of [12, 3] (lstm), found [9, 3]"#,
    );
    let (relu, tanh) = (Config::rnn(3).input_size(2), Config::rnn_tanh(3).input_size(2));
    says(
        Weights::reader().config(&tanh).from_bytes(&bytes_of(&relu)),
        r#"cells: expected rnn_relu, as metadata "cells" of the file states, found rnn_tanh"#,
    );
}

/// An activation for a vanilla RNN does not drop those that an LSTM's file tells: it is refused.
#[test]
fn an_activation_needs_a_vanilla_rnn() {
    let own = [Activation::Sigmoid, Activation::Softsign, Activation::Tanh];
    let config = Config::lstm(3).activations(&own).input_size(2);
    let read = |activation: Option<Activation>| {
        Weights::reader().activation(activation).from_bytes(&bytes_of(&config))
    };
    assert_eq!(read(None).unwrap().config(), &config);
    says(read(Some(Activation::Relu)), "activation: expected none for lstm weights, found relu");

    // A file of another program names no cells.
    let stack = Config::stack(&[(Cell::Vanilla(Activation::Relu), 4), (Cell::Lstm, 3)]).input_size(2);
    let reader = Weights::reader().activation(Activation::Tanh);
    let read = reader.from_bytes(&with_metadata(&stack, &[])).unwrap();
    assert_eq!(read.config().stack, [(Cell::Vanilla(Activation::Tanh), 4), (Cell::Lstm, 3)]);
    says(
        Weights::reader().activation(Activation::Tanh).from_bytes(&bytes_of(&stack)),
        r#"cells: expected rnn_relu,lstm, as metadata "cells" of the file states, found rnn_tanh,lstm"#,
    );

    let two = [Activation::Relu, Activation::Tanh];
    let rnn = Config::rnn_tanh(3).bidirectional().activations(&two).input_size(2);
    says(
        Weights::reader().activation(Activation::Softsign).from_bytes(&bytes_of(&rnn)),
        r#"activations: expected relu,tanh, as metadata "activations" of the file states, found none"#,
    );
    let mut softsign = Config::rnn_tanh(3).bidirectional().input_size(2);
    softsign.cell = Cell::Vanilla(Activation::Softsign);
    assert_eq!(metadata(&bytes_of(&softsign)), [entry("cells", "rnn:softsign")]);
}

#[test]
fn a_setting_of_activations_tells_a_vanilla_rnns() {
    let bytes = with_metadata(&Config::rnn(3).input_size(2), &[]);
    let settings = |config: Config| config.activations(&[Activation::Softsign]);
    let read = Weights::reader().settings(settings).from_bytes(&bytes).unwrap();
    assert_eq!(read.config().activations, [Activation::Softsign]);
    let error = Weights::reader().settings(|config| config.residual()).from_bytes(&bytes).unwrap_err();
    assert!(matches!(error, Error::Activation { .. }), "{error}");
}

/// The file is named by an error whose cause is in it, and by no other.
#[test]
fn an_error_of_the_callers_settings_does_not_name_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.safetensors");
    file::replace(&path, &bytes_of(&Config::lstm(3).input_size(2))).unwrap();
    let load = |settings: fn(Config) -> Config| Weights::reader().settings(settings).load(&path);
    says(load(|config| config.gru_reset(Reset::Before)), "gru_reset before: expected a GRU, found lstm");
    says(
        Weights::reader().activation(Activation::Relu).load(&path),
        "activation: expected none for lstm weights, found relu",
    );
    let error = load(|config| config.peepholes()).unwrap_err();
    assert!(matches!(error, Error::File { .. }), "{error}");

    let gru = Config::gru(3).input_size(2);
    file::replace(&path, &with_metadata(&gru, &[("activations", "relu")])).unwrap();
    let error = Weights::load(&path).unwrap_err();
    assert!(error.to_string().ends_with("activations: expected 2 for gru, found 1"), "{error}");
    assert!(matches!(error, Error::File { .. }), "{error}");
    assert_eq!(Tensors::load(&path).unwrap().names().count(), 4);
}
