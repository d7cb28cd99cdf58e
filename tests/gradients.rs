//! Gradients: the reference's tape against PyTorch's autograd and against central differences.

mod common;
#[path = "common/goldens.rs"]
mod goldens;

use common::{F32, F64, Tolerance};
use goldens::{Differentiate, Golden};
use wgpu_rnn::{Engine, Float, Rnn, reference};

fn fails<T: Float>(tolerance: Tolerance, differentiate: Differentiate<'_, T>) -> Vec<String> {
    let cases = Golden::all("pytorch_gradients");
    cases.iter().filter_map(|case| case.check_gradients::<T>(tolerance, differentiate).err()).collect()
}

#[test]
fn engines_equal_pytorch() {
    for engine in [Engine::cpu(), Engine::reference()] {
        let failures = fails::<f32>(F32, &mut |weights, call, given| {
            let rnn = Rnn::new(&engine, weights.clone());
            let (_, mut saved) = rnn.forward_saved(call)?;
            rnn.backward(&mut saved, given)
        });
        assert!(failures.is_empty(), "{}:\n{}", engine.name(), failures.join("\n"));
    }
}

#[test]
fn the_tape_equals_pytorch() {
    let failures =
        fails::<f64>(F64, &mut |weights, call, given| Ok(reference::backward(weights, call, given)?.1));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
