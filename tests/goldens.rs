//! The options against the frameworks that have them: PyTorch, onnxruntime, Keras and MXNet
//! (`golden/README.md`). The reference is judged here; the engines are judged by it, and by these very files,
//! in `engines/`.

mod common;
#[path = "common/goldens.rs"]
mod goldens;

use common::F32;
use goldens::Golden;
use wgpu_rnn::{Cell, reference};

/// Every file, and how many cases it has.
const FILES: [(&str, usize); 6] = [
    ("pytorch_options", 26),
    ("pytorch_gradients", 81),
    ("onnx", 40),
    ("keras", 24),
    ("mxnet", 13),
    ("mxnet_gradients", 16),
];

#[test]
fn the_reference_equals_every_framework() {
    let mut failures = Vec::new();
    for (file, count) in FILES {
        let cases = Golden::all(file);
        assert_eq!(cases.len(), count, "{file}");
        for case in cases {
            let tolerance = goldens::tolerance_of(file);
            failures.extend(
                case.check::<f64>(tolerance, &mut |weights, call| reference::call(weights, call)).err(),
            );
            failures
                .extend(case.check::<f32>(F32, &mut |weights, call| reference::call(weights, call)).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// A cell that no framework judges is judged by its author alone.
#[test]
fn every_cell_has_a_golden() {
    let seen: Vec<Cell> =
        goldens::ALL.into_iter().flat_map(Golden::all).flat_map(|case| case.cells()).collect();
    for cell in Cell::ALL {
        assert!(
            seen.contains(&cell),
            "{cell}: no file of tests/golden has a case of it; make one with a framework, or with a script in numpy, as \
             tests/golden/README.md says"
        );
    }
}

/// A file that no test reads proves nothing.
#[test]
fn every_file_is_read() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden");
    let mut found: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            entry.unwrap().file_name().to_str()?.strip_suffix(".safetensors").map(str::to_owned)
        })
        .collect();
    found.sort();
    // `cpu.rs` reads that of PyTorch's plain networks, `gradients/` that of gradient descent, `losses.rs` that
    // of losses and heads, `optimizers.rs` that of optimisers.
    let others = ["pytorch", "pytorch_losses", "pytorch_optimizers", "pytorch_sgd"];
    let mut read: Vec<_> = goldens::ALL.into_iter().chain(others).collect();
    read.sort();
    assert_eq!(found, read);
    assert_eq!(FILES.map(|(name, _)| name), goldens::ALL);
}
