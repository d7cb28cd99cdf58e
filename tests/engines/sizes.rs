//! Long sequences, wide layers, many steps: what is cut, and what is refused.

use crate::common::{Case, case};
use crate::engines::{Outcome, Trials};
use crate::{add_all, equals_reference};
use ndarray::Array3;
use wgpu_rnn::{Config, Engine, Error, Rnn, Weights};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        false,
        &[("a_hundred_thousand_steps", hundred_thousand_steps), ("four_thousand_units", four_thousand_units)],
    );
    add_all(
        trials,
        true,
        &[
            ("many_steps_take_several_submits", many_steps),
            ("long_products_are_cut", long_products),
            ("too_large_is_an_error", too_large),
        ],
    );
}

fn hundred_thousand_steps(engine: &Engine) -> Outcome {
    let config = Config::gru(5).input_size(3);
    let steps = 100_000;
    let case = case(&config, steps, 1, 20);
    equals_reference(engine, &case)?;
    // A sequence uses the steps that it has: the others are neither computed nor waited for.
    let case = Case { lengths: Some(vec![300]), ..case };
    equals_reference(engine, &case)
}

fn four_thousand_units(engine: &Engine) -> Outcome {
    let mut case = case(&Config::rnn_tanh(4096).input_size(3), 2, 1, 21);
    // The state's scale that the tolerance is meant for: products of 4096.
    case.input *= 0.1;
    equals_reference(engine, &case)
}

fn many_steps(engine: &Engine) -> Outcome {
    let case = case(&Config::gru(5).num_layers(2).bidirectional().input_size(3), 300, 2, 8);
    let plan = wgpu_rnn::Plan::new(case.weights.config(), 300, 2, &engine.limits().unwrap())?;
    if plan.forward.submits.len() < 3 {
        return Err(format!("{} submits, expected at least 3", plan.forward.submits.len()).into());
    }
    equals_reference(engine, &case)
}

fn long_products(engine: &Engine) -> Outcome {
    // Over the 65,535 turns, of four numbers each, after which lavapipe ends all loops.
    let mut case = case(&Config::lstm(2).input_size(270_003), 1, 2, 9);
    case.input *= 0.01;
    equals_reference(engine, &case)?;
    // The product of a projection is not cut; too long a one is refused.
    let config = Config::lstm(140_000).proj_size(1).input_size(1);
    match wgpu_rnn::Plan::new(&config, 1, 1, &engine.limits().unwrap()) {
        Err(Error::TooLarge { needed: 140_000, limit: 131_072, .. }) => Ok(()),
        // Addresses of 32 bits refuse so many units, whatever their projection.
        Err(Error::Setting { name: "sizes", .. }) if usize::BITS == 32 => Ok(()),
        other => Err(format!("expected Error::TooLarge, found {:?}", other.map(|plan| plan.title)).into()),
    }
}

fn too_large(engine: &Engine) -> Outcome {
    // One step alone is too large to be split; no allocation is made before the plan refuses.
    let weights = Weights::init(&Config::lstm(1024).input_size(1), &wgpu_rnn::Init::gluon())?;
    let limits = engine.limits().unwrap();
    let batch = (limits.max_binding_bytes / (4 * 4 * 1024) + 1) as usize;
    if batch > 1 << 24 {
        return Ok(()); // an adapter with bindings over 256 GB
    }
    let made = Rnn::new(engine, weights).forward(&Array3::zeros((1, batch, 1)), None);
    match made {
        Err(Error::TooLarge { needed, limit, .. }) if needed > limit => Ok(()),
        other => Err(format!("expected Error::TooLarge, found {other:?}").into()),
    }
}
