//! The choice of a network by its name.

use crate::{data, says};
use ndarray::{ArrayD, IxDyn};
use wgpu_rnn::{Config, Error, Weights};

/// GRUs of one unit under these prefixes.
fn read(prefixes: &[&str], name: Option<&str>) -> Result<Weights, Error> {
    let tensors = prefixes.iter().enumerate().flat_map(|(place, prefix)| {
        // The size of the input tells which one was read.
        let shapes = [("weight_ih_l0", [3, place + 1]), ("weight_hh_l0", [3, 1])];
        shapes.map(|(name, shape)| (format!("{prefix}{name}"), ArrayD::zeros(IxDyn(&shape))))
    });
    Weights::reader().prefix(name.map(str::to_owned)).from_tensors(tensors.collect::<Vec<_>>())
}

#[test]
fn whole_segments_an_exact_name_first_then_a_unique_ending() {
    let names =
        ["", "lstm.", "model.lstm.", "model.encoder.lstm.", "model.my_lstm.", "block0_lstm0_", "a/b/"];
    let size = |name: &str| read(&names, Some(name)).map(|weights| weights.config().input_size);
    for (name, expected) in [
        ("", 1),
        ("lstm", 2),
        ("lstm.", 2),
        ("model.lstm", 3),
        ("encoder.lstm", 4),
        ("model.encoder.lstm.", 4),
        ("my_lstm", 5),
        ("lstm0", 6),
        ("block0_lstm0_", 6),
        ("b", 7),
        ("a/b/", 7),
    ] {
        assert_eq!(size(name).unwrap(), expected, "{name}");
    }
    for name in ["stm", "l.lstm", "encoder", "model", "m"] {
        says(size(name), &format!("prefix: expected the network {name:?}, found "));
    }
    says(
        read(&["a.lstm.", "b.lstm."], Some("lstm")),
        r#"found "a.lstm" (gru, 1 layer, input 1, hidden 1), "b.lstm" (gru"#,
    );
    says(read(&["a.", "b."], None), "prefix: expected one that picks a network, found \"a\" (gru");
    assert_eq!(read(&["model_state_dict.lstm."], Some("lstm")).unwrap().config().input_size, 1);
    // A module's own name may end as a prefix does.
    for (name, expected) in [("lstm", 1), ("lstm_", 2), ("lstm_.", 2)] {
        assert_eq!(read(&["lstm.", "lstm_."], Some(name)).unwrap().config().input_size, expected, "{name}");
    }
    assert_eq!(read(&["any.where."], None).unwrap().config().input_size, 1);
    let many: Vec<String> = (0..20).map(|place| format!("layers.{place}.")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    says(read(&many, None), "and 12 more");
}

#[test]
fn a_file_with_several_networks_lists_them() {
    let path = data("pytorch_checkpoint.pth");
    says(
        Weights::load(&path),
        "\"model_state_dict.encoder.lstm\" (lstm, 2 layers, bidirectional, input 3, hidden 5)",
    );
    says(Weights::reader().prefix("decoder".to_owned()).load(&path), "expected the network \"decoder\"");
    let read = Weights::reader().prefix("encoder.lstm".to_owned()).load(&path).unwrap();
    assert_eq!(*read.config(), Config::lstm(5).num_layers(2).bidirectional().input_size(3));
}
