//! Every network of the goldens through every format that is written, bit for bit.

use crate::goldens::cases;
use std::collections::BTreeMap;
use wgpu_rnn::file::Format;
use wgpu_rnn::{Error, Naming, Weights};

const FORMATS: [Format; 5] = [
    Format::Safetensors(Naming::PyTorch),
    Format::Safetensors(Naming::Gluon),
    Format::Params,
    Format::Npz(Naming::PyTorch),
    Format::Npz(Naming::Gluon),
];

#[test]
fn every_dialect_becomes_every_other() {
    let mut held = BTreeMap::<String, usize>::new();
    for case in cases() {
        let activation = case.weights.config().cell.activation();
        for format in FORMATS {
            let bytes = match case.weights.to_bytes(format) {
                Ok(bytes) => bytes,
                // The GRU without biases, which no layer of Gluon's is.
                Err(Error::Unsupported { name: "bias", .. }) if format == Format::Params => continue,
                // A Keras layer's options, which only metadata tell.
                Err(Error::Unsupported { .. })
                    if case.file.starts_with("keras") && !matches!(format, Format::Safetensors(_)) =>
                {
                    continue;
                }
                Err(error) => panic!("{}: {error}", case.name),
            };
            let read = Weights::reader().activation(activation).from_bytes(&bytes).unwrap();
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
