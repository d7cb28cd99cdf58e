//! Gradients: the reference's tape against PyTorch's autograd and against central differences.

mod common;
#[path = "common/goldens.rs"]
mod goldens;

use common::gradients::{Given, difference_of_gradients, judge};
use common::options::{OPTIONS, Row, cells, with};
use common::{Case, F32, F64, Tolerance};
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

/// Every pair of options, of every cell that can have both.
#[test]
fn engines_equal_the_tape() {
    // Settings of a GPU.
    let rows: Vec<&Row> =
        OPTIONS.iter().filter(|row| !["half", "small_bindings"].contains(&row.name)).collect();
    let cpu = Engine::cpu();
    let (mut ran, mut failures) = (0, Vec::new());
    for (index, one) in rows.iter().enumerate() {
        for other in &rows[..=index] {
            for cell in cells(&[one, other]) {
                let setup = with(cell, &[one, other]);
                // A NaN has no gradient to compare.
                if setup.has_nan {
                    continue;
                }
                ran += 1;
                if let Err(error) = gradient_of(&cpu, &setup.drawn(ran)) {
                    failures.push(format!("{cell}, {}, {}: {error}", one.name, other.name));
                }
            }
        }
    }
    println!("{ran} cases");
    assert!(ran > 1000, "{ran} cases");
    assert!(failures.is_empty(), "{} of {ran}:\n{}", failures.len(), failures.join("\n"));
}

fn gradient_of(engine: &Engine, case: &Case) -> Result<(), String> {
    let rnn = Rnn::new(engine, case.weights.clone());
    let text = |error: wgpu_rnn::Error| error.to_string();
    let (output, mut saved) = rnn.forward_saved(&case.call()).map_err(text)?;
    if output != rnn.call(&case.call()).map_err(text)? {
        return Err("a saved call gives another output".into());
    }
    let given = Given::drawn(&output, 7);
    let ours = rnn.backward(&mut saved, &given.gradients()).map_err(text)?;
    difference_of_gradients(&ours, &judge(case, &given))
}

#[test]
fn the_tape_equals_pytorch() {
    let failures =
        fails::<f64>(F64, &mut |weights, call, given| Ok(reference::backward(weights, call, given)?.1));
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
