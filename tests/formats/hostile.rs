//! Files that are cut, changed or lie: an error or a network, never a panic, and little memory.

use crate::data;
use allocation_counter::measure;
use std::path::Path;
use wgpu_rnn::file::{self, Format};
use wgpu_rnn::{Config, Init, Naming, Weights};

/// Small files of every kind.
fn files() -> Vec<(String, Vec<u8>)> {
    let names = [
        "keras_2_both.h5",
        "keras_2_small.h5",
        "keras_small.keras",
        "keras_small.weights.h5",
        "mxnet_cell.params",
        "onnx/constants_shapes.onnx",
        "onnx/gru_defaults.onnx",
        "onnx/loop.onnx",
        "mxnet_half.params",
        "mxnet_sparse.params",
        "mxnet_types.params",
        "mxnet_v0.params",
        "mxnet_v1.params",
        "mxnet_v3.params",
        "pytorch_f16.pt",
        "pytorch_bf16.safetensors",
        "pytorch_numpy.pkl",
        "pytorch_views.pt",
    ];
    let mut files: Vec<(String, Vec<u8>)> =
        names.iter().map(|name| ((*name).to_owned(), file::read(data(name)).unwrap())).collect();
    let weights = Weights::init(&Config::gru(2).input_size(1), &Init::pytorch()).unwrap();
    files.push(("ours.npz".into(), weights.to_bytes(Format::Npz(Naming::PyTorch)).unwrap()));
    files.push(("deflated.npz".into(), file::read(data("deflated.npz")).unwrap()));
    files.push(("old.pt".into(), file::read(data("pytorch_small_old.pt")).unwrap()));
    // Of the fuzz targets' seeds: TorchScript, and members that are stored.
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    let seed = |name: &str| (name.to_owned(), file::read(corpus.join(name)).unwrap());
    files.extend(["script.pt", "keras_3.keras"].map(seed));
    files
}

/// Reads a file, within four times its memory and a few KiB; gives the error of a file without a network.
#[track_caller]
fn read(name: &str, bytes: &[u8]) -> Option<String> {
    let mut found = None;
    let memory = measure(|| match Weights::reader().from_bytes(bytes) {
        Ok(_) => {}
        Err(error) => {
            let text = found.insert(error.to_string());
            assert!(text.len() < 1_000 && !text.contains(char::is_control), "{name}: {text:?}");
        }
    });
    // Room for the reader's own buffers: a header read ahead, a chunk that is unpacked or converted.
    // hdf5-pure asks for the memory of up to 65,535 messages of an old header, 40 bytes each.
    let header = if name.ends_with(".h5") || name.ends_with(".keras") { 40 << 16 } else { 0 };
    let limit = 4 * bytes.len() as u64 + (1 << 18) + header;
    assert!(memory.bytes_max < limit, "{name}: {} bytes of memory for {}", memory.bytes_max, bytes.len());
    found
}

#[test]
fn files_that_are_cut_are_refused() {
    for (name, bytes) in files() {
        assert_eq!(read(&name, &bytes), None, "{name}");
        for cut in 0..bytes.len() {
            let error = read(&name, &bytes[..cut]);
            let error = error.unwrap_or_else(|| panic!("{name} cut at {cut}: a network"));
            // The expectation, or the place in a header's text.
            let says = error.contains("expected ") || error.contains(" at line ");
            assert!(says, "{name} cut at {cut}: {error}");
        }
    }
}

#[test]
fn a_bit_that_flips_is_an_error_or_a_network() {
    for (name, mut bytes) in files() {
        for place in 0..bytes.len() {
            for bit in 0..8 {
                bytes[place] ^= 1 << bit;
                read(&name, &bytes);
                bytes[place] ^= 1 << bit;
            }
        }
    }
}

/// Runs of bytes that are full, empty, moved or there twice, by a generator with a seed.
#[test]
fn files_with_larger_faults_are_errors_or_networks() {
    let mut state = 1_u64;
    let mut below = |end: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end.max(1)
    };
    for (name, whole) in files() {
        for _ in 0..2_000 {
            let mut bytes = whole.clone();
            for _ in 0..=below(3) {
                let start = below(bytes.len());
                let end = (start + 1 + below(16)).min(bytes.len());
                match below(4) {
                    0 => bytes[start..end].fill(0xFF),
                    1 => bytes[start..end].fill(0),
                    2 => drop(bytes.drain(start..end)),
                    _ => {
                        let again = bytes[start..end].to_vec();
                        let place = below(bytes.len());
                        bytes.splice(place..place, again);
                    }
                }
                if bytes.is_empty() {
                    break;
                }
            }
            read(&name, &bytes);
        }
    }
}
