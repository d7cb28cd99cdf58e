//! A network that is read is the same after it was written and read again, in every format that holds it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wgpu_rnn::file::Format;
use wgpu_rnn::{Activation, Naming, Weights};

const FORMATS: [Format; 6] = [
    Format::Onnx,
    Format::Safetensors(Naming::PyTorch),
    Format::Safetensors(Naming::Gluon),
    Format::Params,
    Format::Npz(Naming::PyTorch),
    Format::Npz(Naming::Gluon),
];

/// Bits, since a NaN is not equal to itself.
fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let tensors = weights.tensors(Naming::PyTorch);
    tensors.map(|(name, tensor)| (name, tensor.iter().map(|x| x.to_bits()).collect())).collect()
}

fuzz_target!(|bytes: &[u8]| {
    let read = |bytes: &[u8]| {
        let reader = Weights::reader();
        reader.from_bytes(bytes).or_else(|_| Weights::reader().activation(Activation::Relu).from_bytes(bytes))
    };
    let Ok(weights) = read(bytes) else { return };
    for format in FORMATS {
        let Ok(written) = weights.to_bytes(format) else { continue };
        let config = weights.config();
        // Of vanilla RNNs that are all alike.
        let mut own: Vec<_> = config.stack.iter().filter_map(|(cell, _)| cell.activation()).collect();
        own.extend(config.cell.activation());
        own.dedup();
        let is_one = own.len() == 1 && config.activations.is_empty();
        let activation = own.first().copied().filter(|_| is_one);
        let again = Weights::reader().activation(activation).from_bytes(&written).expect("its own bytes");
        // The layout is of the caller's arrays, which not all formats keep. ONNX names all activations, also
        // those that are the cell's own.
        if config.activations.is_empty() || format != Format::Onnx {
            assert_eq!(again.config().clone().layout(config.layout), *config);
        }
        assert_eq!(bits(&again), bits(&weights));
    }
});
