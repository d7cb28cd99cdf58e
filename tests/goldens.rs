//! The options against the frameworks that have them: PyTorch, onnxruntime, Keras and MXNet (`golden/README.md`). The reference
//! is judged here; the GPU is judged by it in `options.rs`, and by these very files in `gpu.rs`.

mod common;
#[path = "common/goldens.rs"]
mod goldens;

use common::{F32, F64};
use goldens::Golden;
use wgpu_rnn::reference;

/// Every file, how many cases it has, and whether they were computed in double precision.
const FILES: [(&str, usize, bool); 4] =
    [("pytorch_options", 26, true), ("onnx", 40, false), ("keras", 24, false), ("mxnet", 13, false)];

#[test]
fn the_reference_equals_every_framework() {
    let mut failures = Vec::new();
    for (file, count, is_double) in FILES {
        let cases = Golden::all(file);
        assert_eq!(cases.len(), count, "{file}");
        for case in cases {
            let tolerance = if is_double { F64 } else { F32 };
            failures.extend(
                case.check::<f64>(tolerance, &mut |weights, call| reference::call(weights, call)).err(),
            );
            failures
                .extend(case.check::<f32>(F32, &mut |weights, call| reference::call(weights, call)).err());
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
