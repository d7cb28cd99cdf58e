//! Every network of the goldens through every format that is written, bit for bit.

use crate::goldens::cases;
use crate::properties::{self, FORMATS};
use std::collections::BTreeMap;
use wgpu_rnn::file::Format;
use wgpu_rnn::{Error, Naming, Weights};

#[test]
fn every_dialect_becomes_every_other() {
    let mut held = BTreeMap::<String, usize>::new();
    for case in cases() {
        let is_onnx = case.file.ends_with(".onnx");
        let config = case.weights.config();
        let activation = properties::activation_of(config);
        for format in FORMATS {
            let bytes = match case.weights.to_bytes(format) {
                Ok(bytes) => bytes,
                // The GRU without biases, which no layer of Gluon's is.
                Err(Error::Unsupported { name: "bias", .. }) if format == Format::Params => continue,
                // No node of ONNX has a projection.
                Err(Error::Unsupported { name: "proj_size", .. }) if format == Format::Onnx => continue,
                // The options of ONNX's nodes, which other formats but safetensors have no place for.
                Err(Error::Unsupported { .. })
                    if is_onnx && !matches!(format, Format::Safetensors(_) | Format::Onnx) =>
                {
                    continue;
                }
                // A Keras layer's options, which only metadata tell.
                Err(Error::Unsupported { .. })
                    if case.file.starts_with("keras") && !matches!(format, Format::Safetensors(_)) =>
                {
                    continue;
                }
                Err(error) => panic!("{}: {error}", case.name),
            };
            let read = Weights::reader().activation(activation).from_bytes(&bytes).unwrap();
            // The layout is of the caller's arrays, which not all formats keep.
            let layout = config.layout;
            let read = if read.config().layout == layout {
                read
            } else {
                assert!(matches!(format, Format::Params | Format::Npz(_)), "{}: {format:?}", case.name);
                let reader = Weights::reader().activation(activation);
                reader.settings(|config| config.layout(layout)).from_bytes(&bytes).unwrap()
            };
            assert_eq!(read, case.weights, "{}: {format:?}", case.name);
            // Bit for bit, where equal numbers could differ.
            let bits = |weights: &Weights| {
                let tensors = weights.tensors(Naming::PyTorch);
                tensors
                    .flat_map(|(_, tensor)| tensor.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
                    .collect::<Vec<_>>()
            };
            assert_eq!(bits(&read), bits(&case.weights));
            // The same bytes once more.
            assert_eq!(read.to_bytes(format).unwrap(), bytes);
            *held.entry(format!("{format:?}")).or_default() += 1;
        }
    }
    assert!(held.values().all(|&count| count > 35), "{held:?}");
}
