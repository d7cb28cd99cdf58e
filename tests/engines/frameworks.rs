//! Goldens: the answers of frameworks for the same weights and inputs.

use crate::common::F32;
use crate::engines::{Outcome, Trials};
use crate::{OFFERS, goldens, notebook};
use wgpu_rnn::{Engine, Rnn, Schedule};

pub fn add(trials: &mut Trials) {
    for offer in OFFERS {
        for file in goldens::ALL {
            trials.add(offer, &format!("equals_every_framework::{file}"), move |engine| {
                framework(engine, file)
            });
        }
        for schedule in Schedule::ALL.map(Some).into_iter().chain([None]) {
            let name = schedule.map_or("best", Schedule::name);
            if offer.needs_gpu() || schedule.is_none() {
                let test = move |engine: &Engine| Ok(notebook::check(engine, schedule)?);
                trials.add(offer, &format!("notebook_equals_mxnet::{name}"), test);
            }
        }
    }
}

fn framework(engine: &Engine, file: &str) -> Outcome {
    for case in goldens::Golden::all(file) {
        case.check::<f32>(F32, &mut |weights, call| Rnn::new(engine, weights.clone()).call(call))?;
    }
    Ok(())
}
