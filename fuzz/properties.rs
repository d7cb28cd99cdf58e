//! Properties of the readers of files: each fuzz target has one, and the test `formats` all of them.
#![allow(dead_code, reason = "a fuzz target has one of them")]

use crate::containers::with_checksums;
use std::io::Write;
use std::sync::LazyLock;
use wgpu_rnn::file::{self, Format, Limits};
use wgpu_rnn::{Activation, Config, Error, Naming, Reader, Weights};

/// A property of the bytes of a file, which panics where the property does not hold.
pub type Property = fn(&[u8]);

/// The properties by the names of their fuzz targets.
pub const ALL: [(&str, Property); 3] = [("load", load), ("round_trip", round_trip), ("pieces", pieces)];

/// Formats that networks are written in.
pub const FORMATS: [Format; 6] = [
    Format::Onnx,
    Format::Safetensors(Naming::PyTorch),
    Format::Safetensors(Naming::Gluon),
    Format::Params,
    Format::Npz(Naming::PyTorch),
    Format::Npz(Naming::Gluon),
];

/// The activation that a reader is told: the one of all layers that are vanilla RNNs.
pub fn activation_of(config: &Config) -> Option<Activation> {
    let mut own: Vec<_> = config.stack.iter().filter_map(|(cell, _)| cell.activation()).collect();
    own.extend(config.cell.activation());
    own.dedup();
    let is_one = own.len() == 1 && config.activations.is_empty();
    own.first().copied().filter(|_| is_one)
}

/// Any bytes are an error in one line, or a network. Lower limits refuse a file, or change nothing.
pub fn load(bytes: &[u8]) {
    for bytes in [Some(bytes.to_vec()), with_checksums(bytes)].into_iter().flatten() {
        let whole = read(Weights::reader(), &bytes);
        // A vanilla RNN, and one of several networks.
        let _ = read(Weights::reader().activation(Activation::Tanh), &bytes);
        let _ = read(Weights::reader().prefix("lstm".to_owned()), &bytes);
        let mut limits = Limits::default();
        (limits.bytes, limits.tensors, limits.depth) = (Some(1 << 13), 64, 4);
        if let Ok(weights) = read(Weights::reader().limits(limits), &bytes) {
            assert!(whole.is_ok_and(|whole| is_same(&whole, &weights)), "another network within limits");
        }
    }
}

/// A network is the same after it was written and read again, in every format that holds it.
pub fn round_trip(bytes: &[u8]) {
    for bytes in [Some(bytes.to_vec()), with_checksums(bytes)].into_iter().flatten() {
        let reader = Weights::reader().activation(Activation::Relu);
        let Ok(weights) = read(Weights::reader(), &bytes).or_else(|_| read(reader, &bytes)) else { continue };
        let config = weights.config();
        let activation = activation_of(config);
        for format in FORMATS {
            let Ok(written) = weights.to_bytes(format) else { continue };
            let again = read(Weights::reader().activation(activation), &written);
            let again = again.unwrap_or_else(|error| panic!("{format:?}: {error}"));
            // The layout is of the caller's arrays, which not all formats keep. ONNX names all activations,
            // also those that are the cell's own.
            if config.activations.is_empty() || format != Format::Onnx {
                assert_eq!(again.config().clone().layout(config.layout), *config, "{format:?}");
            }
            assert!(bits(&again) == bits(&weights), "{format:?}: other numbers");
        }
    }
}

/// A file that is read by range is the same network, or the same error, as its bytes in memory.
pub fn pieces(bytes: &[u8]) {
    for bytes in [Some(bytes.to_vec()), with_checksums(bytes)].into_iter().flatten() {
        let mut file = tempfile::NamedTempFile::new_in(FOLDER.path()).expect("a file");
        file.write_all(&bytes).expect("written");
        let (whole, pieces) = (read(Weights::reader(), &bytes), Weights::load(file.path()));
        let inspection = file::inspect(file.path(), Limits::default());
        match (whole, pieces) {
            (Ok(whole), Ok(pieces)) => {
                assert!(is_same(&whole, &pieces), "another network in pieces");
                let networks = inspection.expect("the headers of a network").networks;
                let is_whole = |config: Option<_>| config.as_ref() == Some(whole.config());
                assert!(networks.into_iter().any(|found| found.fault.is_none() && is_whole(found.config)));
            }
            (Err(whole), Err(pieces)) => {
                let (whole, pieces) = (whole.to_string(), pieces.to_string());
                // Memory has no files beside.
                let is_beside = whole.contains("a file on disk that it lies beside");
                assert!(is_beside || pieces.ends_with(&whole), "{whole} and {pieces}");
            }
            (whole, pieces) => panic!("{:?} and {:?}", whole.err(), pieces.err()),
        }
    }
}

/// A folder without other files.
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// Reads a network; an error is one line.
fn read(reader: Reader<'_>, bytes: &[u8]) -> Result<Weights, Error> {
    let read = reader.from_bytes(bytes);
    if let Err(error) = &read {
        let text = error.to_string();
        assert!(text.len() < 4_000 && !text.contains(char::is_control), "{text:?}");
    }
    read
}

fn is_same(one: &Weights, other: &Weights) -> bool {
    one.config() == other.config() && bits(one) == bits(other)
}

/// Bits, since a NaN is not equal to itself.
fn bits(weights: &Weights) -> Vec<(String, Vec<u32>)> {
    let tensors = weights.tensors(Naming::PyTorch);
    tensors.map(|(name, tensor)| (name, tensor.iter().map(|x| x.to_bits()).collect())).collect()
}
