//! The device: its objects, a caller's own, a lost one, one by name.

use crate::common::{Case, case};
use crate::engines::{Offer, Outcome, Trials, own_device};
use crate::{add_all, equals_reference, primes};
use libtest_mimic::Failed;
use ndarray::s;
use wgpu_rnn::{Cell, Engine, Error, Rnn, Schedule, inspect};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        true,
        &[
            ("same_call_twice_is_bit_identical_and_makes_no_object", steady_state),
            ("a_callers_device_serves", callers_device),
            ("a_lost_device_is_an_error", lost_device),
        ],
    );
    trials.add(Offer::All, "is_chosen_by_name", adapter_by_name);
}

/// An engine of one test's own, since others make objects on the shared one meanwhile.
pub fn own_engine(shared: &Engine) -> Result<Engine, Failed> {
    let has_defaults = shared.device().is_some_and(|device| device.features().is_empty());
    let builder = if has_defaults { Engine::builder().webgpu_defaults() } else { Engine::builder() };
    Ok(builder.build()?)
}

/// The objects that an engine has made, and those that wgpu counts alive; it counts none in a browser.
pub fn objects(engine: &Engine) -> (u64, [isize; 3]) {
    let hal = engine.device().expect("a GPU").get_internal_counters().hal;
    let alive = [hal.buffers.read(), hal.bind_groups.read(), hal.compute_pipelines.read()];
    (inspect::objects_made(engine), alive)
}

fn steady_state(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 7);
    let engine = own_engine(engine)?;
    let objects = || objects(&engine);
    for schedule in Schedule::ALL.into_iter().map(Some).chain([None]) {
        let rnn = Rnn::new(&engine, case.weights.clone()).with_tuning(schedule)?;
        let with_lengths = Case { lengths: Some(vec![5, 0, 2]), ..case.clone() };
        // Other shapes in between, so that none is merely the latest.
        let all = || -> Result<_, Failed> {
            let shorter = rnn.forward(&case.input.slice(s![..3, .., ..]), None)?;
            Ok((rnn.call(&case.call())?, shorter, rnn.call(&with_lengths.call())?))
        };
        let first = all()?;
        let before = objects();
        let second = all()?;
        // A leak now and then.
        for _ in 0..40 {
            all()?;
        }
        let is_counted = cfg!(target_arch = "wasm32") || !before.1.contains(&0);
        if before.0 == 0 || !is_counted || objects() != before {
            return Err(format!("{schedule:?}: {before:?} objects became {:?}", objects()).into());
        }
        if first != second {
            return Err(format!("{schedule:?}: the same call twice is not bit-identical").into());
        }
    }
    Ok(())
}

fn callers_device(_: &Engine) -> Outcome {
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    let theirs = Engine::from_device(device, queue);
    equals_reference(&theirs, &case(&primes(Cell::Lstm), 5, 3, 11))
}

fn lost_device(_: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 12);
    // Devices: the caller's, whose loss the library is not told of, and the library's own.
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    for lost in [Engine::from_device(device, queue), Engine::builder().build()?] {
        let rnn = Rnn::new(&lost, case.weights.clone());
        rnn.forward(&case.input, None)?;
        lost.device().unwrap().destroy();
        for input in [case.input.view(), case.input.slice(s![..2, .., ..])] {
            match rnn.forward(&input, None) {
                Err(Error::DeviceLost(_)) => {}
                other => return Err(format!("expected Error::DeviceLost, found {other:?}").into()),
            }
        }
    }
    Ok(())
}

fn adapter_by_name(engine: &Engine) -> Outcome {
    let name = engine.name();
    let part = name.split(' ').next().unwrap_or_default().to_uppercase();
    let found = Engine::builder().adapter_name(&part).build()?;
    if !found.name().to_uppercase().contains(&part) {
        return Err(format!("asked for {part}, found {}", found.name()).into());
    }
    match Engine::builder().adapter_name("no such adapter").build() {
        Err(Error::NamedAdapter { name, .. }) if name == "no such adapter" => Ok(()),
        other => Err(format!("expected Error::NamedAdapter, found {other:?}").into()),
    }
}
