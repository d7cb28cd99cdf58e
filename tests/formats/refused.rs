//! Refusals, by name, of arrays and networks that cannot be read or written.

use crate::{data, says};
use wgpu_rnn::file::{self, Format, Limits};
use wgpu_rnn::{Activation, Cell, Config, Error, Init, Merge, Naming, Reset, Weights};

#[test]
fn sparse_arrays_are_refused_by_name() {
    let inspection = file::inspect(data("mxnet_sparse.params"), Limits::default()).unwrap();
    let types: Vec<(&str, &str)> =
        inspection.arrays.iter().map(|array| (array.name.as_str(), array.dtype.as_str())).collect();
    assert!(types.contains(&("embedding", "a sparse array (row_sparse)")), "{types:?}");
    assert!(types.contains(&("csr", "a sparse array (csr)")), "{types:?}");
    // The weights themselves, in place of an embedding.
    let bytes = file::read(data("mxnet_sparse.params")).unwrap();
    let swapped = |from: &str, to: &str, bytes: &[u8]| {
        let place = bytes.windows(from.len()).position(|window| window == from.as_bytes()).unwrap();
        let head = &bytes[..place - 8];
        [head, &(to.len() as u64).to_le_bytes(), to.as_bytes(), &bytes[place + from.len()..]].concat()
    };
    let bytes = swapped("_unfused.0.i2h_bias", "other", &bytes);
    let bytes = swapped("embedding", "_unfused.0.i2h_bias", &bytes);
    says(Weights::reader().from_bytes(&bytes), "_unfused.0.i2h_bias: expected shape [15], found [9, 3]");
}

#[test]
fn pickles_that_need_code_are_refused_by_name() {
    says(
        Weights::load(data("pytorch_module.pt")),
        "found the global \"torch.nn.modules.rnn.GRU\" (save a state_dict)",
    );
    says(Weights::load(data("pytorch_command.pt")), "found the global \"posix.system\"");
    // Lists are no arrays.
    says(Weights::load(data("pytorch_plain.pkl")), "prefix: expected a recurrent network, found none");
}

#[test]
fn a_file_without_a_network_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let array = ndarray::ArrayD::<f32>::zeros(ndarray::IxDyn(&[2]));
    file::save_tensors(&path, [("fc.weight".to_owned(), array.view())]).unwrap();
    says(Weights::load(&path), "prefix: expected a recurrent network, found none");
    // The bytes that are there, and no more.
    says(Weights::reader().from_bytes(b"hello"), "found the first bytes \"hello\"");
}

#[test]
fn limits_are_kept() {
    let path = data("pytorch_checkpoint.pth");
    let read = |change: fn(&mut Limits)| {
        let mut limits = Limits::default();
        change(&mut limits);
        Weights::reader().prefix("encoder.lstm".to_owned()).limits(limits).load(&path)
    };
    read(|_| {}).unwrap();
    says(read(|limits| limits.tensors = 20), "the limits of reading can hold at most 20");
    says(read(|limits| limits.depth = 1), "needs 2 containers within each other, and the limits");
    says(read(|limits| limits.bytes = Some(1000)), "bytes, and the limits of reading can hold at most");
}

#[test]
fn options_that_a_format_does_not_tell_are_refused_by_name() {
    let made = |config: Config| Weights::init(&config, &Init::pytorch()).unwrap();
    let lstm = || Config::lstm(4).bidirectional().input_size(3);
    for (config, formats, name) in [
        (Config::gru(4).gru_reset(Reset::Before).input_size(3), 2, "gru_reset: expected a format"),
        (lstm().merge(Merge::Sum), 2, "merge: expected"),
        (lstm().residual(), 2, "residual: expected"),
        (lstm().cell_clip(-1.0, 1.0), 2, "cell_clip: expected"),
        (lstm().preactivation_clip(3.0), 2, "preactivation_clip: expected"),
        (lstm().coupled_input_forget(), 2, "coupled_input_forget: expected"),
        (lstm().activations(&[Activation::Relu; 3]), 2, "activations: expected"),
        (Config::new(Cell::Vanilla(Activation::Softsign), 4).input_size(3), 2, "activations: expected"),
        (Config::gru(4).directions(wgpu_rnn::Directions::Reverse).input_size(3), 2, "directions: expected"),
        (lstm().peepholes(), 1, "peepholes: expected"),
        (lstm().layer_norm(), 1, "layer_norm: expected"),
        (lstm().learned_state(), 1, "learned_state: expected"),
        (lstm().without_bias(), 1, "bias: expected"),
        (Config::stack(&[(Cell::Lstm, 4), (Cell::Gru, 3)]).input_size(3), 1, "stack: expected"),
    ] {
        let weights = made(config.clone());
        for format in &[Format::Params, Format::Npz(Naming::PyTorch)][..formats] {
            let error = weights.to_bytes(*format).unwrap_err();
            assert!(matches!(error, Error::Unsupported { .. }), "{error}");
            assert!(error.to_string().starts_with(name), "{error}");
        }
        let bytes = weights.to_bytes(Naming::Gluon).unwrap();
        assert_eq!(Weights::reader().from_bytes(&bytes).unwrap(), weights, "{name}");
    }
}

/// An option of the caller that the file states otherwise is refused by both names.
#[test]
fn contradictions_are_refused_by_both_names() {
    let config = Config::gru(4).gru_reset(Reset::Before).bidirectional().merge(Merge::Sum).input_size(3);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap();
    let bytes = weights.to_safetensors(Naming::PyTorch).unwrap();
    let read = |settings: fn(Config) -> Config| Weights::reader().settings(settings).from_bytes(&bytes);
    says(
        read(|config| config.gru_reset(Reset::After)),
        r#"gru_reset: expected before, as metadata "gru_reset" of the file states, found after"#,
    );
    says(
        read(|config| config.merge(Merge::Multiply)),
        r#"merge: expected sum, as metadata "merge" of the file"#,
    );
    assert_eq!(read(|config| config.gru_reset(Reset::Before)).unwrap(), weights);
    // What the file does not state is the caller's.
    assert!(read(|config| config.residual()).unwrap().config().residual);
    let layout = read(|config| config.layout(wgpu_rnn::Layout::Ntc)).unwrap();
    assert_eq!(layout.config().layout, wgpu_rnn::Layout::Ntc);
}
