//! Gradients: every engine against those of PyTorch and MXNet and against the reference's tape, which is held
//! against PyTorch, MXNet and central differences. Runs as `engines/` does, and under the same variables.

mod anything;
#[path = "../common/mod.rs"]
mod common;
mod dropout;
#[path = "../common/encoded.rs"]
mod encoded;
mod encoding;
#[path = "../common/engines.rs"]
mod engines;
#[path = "../common/goldens.rs"]
mod goldens;
mod learning;
mod misuse;
mod options;
mod properties;
mod tape;

use common::gradients::Given;
use common::{Case, F32, Tolerance};
use engines::{Offer, Outcome, Trials};
use goldens::{Differentiate, Golden};
use libtest_mimic::Failed;
use wgpu_rnn::{CallGradients, Engine, Float, Rnn};

fn main() {
    let mut trials = Trials::new();
    let all = [Offer::All, Offer::Cpu, Offer::WebGpuDefaults, Offer::Unchecked];
    options::add(&mut trials);
    encoding::add(&mut trials);
    for offer in all {
        trials.add(offer, "equal_frameworks", equal_frameworks);
        properties::add(&mut trials, offer);
        dropout::add(&mut trials, offer);
        trials.add(offer, "misuse_is_an_error", misuse::is_an_error);
        trials.add(offer, "weights_change", learning::weights_change);
        trials.add(offer, "fifty_steps_have_the_losses_of_pytorch", learning::fifty_steps);
    }
    for offer in [Offer::All, Offer::Cpu, Offer::WebGpuDefaults] {
        trials.add(offer, "anything_at_once", |engine| anything::at_once(engine, anything::CASES));
    }
    // A software driver takes long to compile these kernels.
    trials.add(Offer::Discrete, "anything_at_once", |engine| anything::at_once(engine, anything::CASES / 4));
    properties::add_of_gpu(&mut trials);
    trials.add(Offer::All, "a_lost_device_is_an_error", misuse::a_lost_device_is_an_error);
    trials.add(Offer::All, "a_loop_makes_no_object", learning::a_loop_makes_no_object);
    properties::add_of_cpu(&mut trials);
    // The reference needs no engine.
    for (name, test) in [
        ("reference::equals_frameworks", tape::equals_frameworks as fn(&Engine) -> Outcome),
        ("reference::equals_central_differences", tape::equals_central_differences),
        ("reference::equals_frameworks_in_f32", |_| equal_frameworks(&Engine::reference())),
        ("reference::fifty_steps", |_| learning::fifty_steps(&Engine::reference())),
        ("reference::a_tape_has_an_end", misuse::a_tape_has_an_end),
    ] {
        trials.add(Offer::Cpu, name, test);
    }
    trials.run();
}

/// Compares `differentiate` with every framework, each file by the tolerance that `tolerance_of` gives it.
fn compare<T: Float>(
    tolerance_of: impl Fn(&str) -> Tolerance,
    differentiate: Differentiate<'_, T>,
) -> Outcome {
    let mut failures = Vec::new();
    for file in goldens::of_gradients() {
        for case in Golden::all(file) {
            failures.extend(case.check_gradients::<T>(tolerance_of(file), differentiate).err());
        }
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n").into()) }
}

fn equal_frameworks(engine: &Engine) -> Outcome {
    compare::<f32>(|_| F32, &mut |weights, call, given| {
        let rnn = Rnn::new(engine, weights.clone());
        let (_, mut saved) = rnn.forward_saved(call)?;
        rnn.backward(&mut saved, given)
    })
}

/// The gradients of a case on an engine; a saved call gives the output of any other.
fn gradients(engine: &Engine, case: &Case, given: &Given) -> Result<CallGradients, Failed> {
    let rnn = Rnn::new(engine, case.weights.clone());
    let (_, mut saved) = rnn.forward_saved(&case.call())?;
    Ok(rnn.backward(&mut saved, &given.gradients())?)
}

/// Gradients by everything that a case's call gives.
fn given(case: &Case, seed: u32) -> Given {
    let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
    Given::drawn(&rnn.call(&case.call()).expect("a call"), seed)
}
