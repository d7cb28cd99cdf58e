//! Gradients: the reference's tape against PyTorch's autograd and against central differences.

mod common;
#[path = "common/goldens.rs"]
mod goldens;

use common::F64;
use goldens::Golden;
use wgpu_rnn::reference;

#[test]
fn the_tape_equals_pytorch() {
    let failures: Vec<String> = Golden::all("pytorch_gradients")
        .iter()
        .filter_map(|case| {
            case.check_gradients::<f64>(F64, &mut |weights, call, given| {
                Ok(reference::backward(weights, call, given)?.1)
            })
            .err()
        })
        .collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
