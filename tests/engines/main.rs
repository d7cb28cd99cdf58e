//! Every test that needs an engine, in one process, so that a device opens once and a pipeline is compiled
//! once.
//!
//! All of it runs on the best adapter (or `WGPU_ADAPTER_NAME`), with all it offers, within WebGPU's defaults,
//! and some of it without wgpu's checks in the kernels; and all that is not of the GPU alone on the CPU
//! engine. A trial's name begins with the offer: `cargo test --test engines -- adapter::options`.
//! `WGPU_RNN_GPU=skip` skips the tests of GPUs, by name and count; without it, a machine without an adapter
//! fails them. `WGPU_RNN_SEED` and `WGPU_RNN_CASES` draw other random cases, and more of them.

mod cells;
#[path = "../common/mod.rs"]
mod common;
mod device;
mod encode;
#[path = "../common/encoded.rs"]
mod encoded;
#[path = "../common/engines.rs"]
mod engines;
mod frameworks;
#[path = "../common/goldens.rs"]
mod goldens;
mod inputs;
mod lengths;
#[path = "../common/notebook.rs"]
mod notebook;
mod numbers;
mod options;
mod schedules;
mod sizes;
mod streams;

use common::{Case, F32, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials};
use libtest_mimic::Failed;
use wgpu_rnn::{Cell, Config, Engine, Output, Rnn};

const OFFERS: [Offer; 4] = [Offer::All, Offer::WebGpuDefaults, Offer::Unchecked, Offer::Cpu];

type Test = fn(&Engine) -> Outcome;

fn main() {
    let mut trials = Trials::new();
    // Long ones first, so that no core waits for the last of them.
    sizes::add(&mut trials);
    schedules::add(&mut trials);
    frameworks::add(&mut trials);
    options::add(&mut trials);
    streams::add(&mut trials);
    encode::add(&mut trials);
    cells::add(&mut trials);
    numbers::add(&mut trials);
    lengths::add(&mut trials);
    inputs::add(&mut trials);
    device::add(&mut trials);
    trials.run();
}

/// The tests of every engine, or of GPUs alone.
fn add_all(trials: &mut Trials, needs_gpu: bool, tests: &[(&str, Test)]) {
    for offer in OFFERS.into_iter().filter(|offer| offer.needs_gpu() || !needs_gpu) {
        for &(name, test) in tests {
            trials.add(offer, name, test);
        }
    }
}

fn run(engine: &Engine, case: &Case) -> Result<Output, Failed> {
    let rnn = Rnn::new(engine, case.weights.clone());
    let answer = rnn.call(&case.call())?;
    if *answer.engine != *engine.name() || engine.name().contains("reference") {
        return Err(format!("the answer comes from {}, not from {}", answer.engine, engine.name()).into());
    }
    Ok(answer)
}

fn equals_reference(engine: &Engine, case: &Case) -> Outcome {
    let theirs = reference(case);
    Ok(difference_of_outputs(&run(engine, case)?, &theirs, F32.scaled_to(&theirs))?)
}

fn primes(cell: Cell) -> Config {
    Config::new(cell, 13).num_layers(2).bidirectional().input_size(7)
}
