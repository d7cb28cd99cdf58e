//! Plans of saved calls: the numbers that they keep, and their dispatches.

use wgpu_rnn::{Config, Limits, Plan, Save, SavedBytes, Schedule, Workload};

const STEPS: usize = 10;
const BATCH: usize = 3;
const UNITS: usize = 16;

fn plan(config: &Config, save: Save, schedule: Schedule) -> Plan {
    let workload = Workload { saves: Some(save), tuning: schedule.into(), ..Workload::new(STEPS, BATCH) };
    Plan::of(config, &workload, &Limits::default()).unwrap()
}

/// Numbers per unit, row of the batch and step, with the state before the first step and the neighbour's
/// gradients behind the last.
#[test]
fn calls_keep_so_many_numbers_a_unit() {
    for (config, gates, states) in [
        (Config::lstm(UNITS), 5 + 1, 1 + 1),
        (Config::lstm(UNITS).layer_norm(), 9 + 1, 1 + 1),
        (Config::gru(UNITS), 4 + 1, 1),
        (Config::rnn_tanh(UNITS), 1 + 1, 1),
    ] {
        let config = config.input_size(8);
        let bytes = |numbers: usize| (4 * numbers * UNITS * BATCH * (STEPS + 1)) as u64;
        let expected = Some(SavedBytes { gates: bytes(gates), states: bytes(states) });
        for save in Save::ALL {
            let plan = plan(&config, save, Schedule::Stepwise);
            assert_eq!(plan.saved, expected, "{plan}");
        }
        assert_eq!(Plan::new(&config, STEPS, BATCH, &Limits::default()).unwrap().saved, None);
    }
}

/// A step on the way back is one dispatch where a step forward is one, and many steps are one where they are.
#[test]
fn the_way_back_has_as_many_dispatches() {
    let steps_of = |plan: &Plan| -> (u64, u64) {
        let count = |way: &wgpu_rnn::inspect::Way| {
            way.passes().filter(|pass| pass.times.is_some()).map(|pass| pass.count()).sum()
        };
        (count(&plan.forward), count(plan.backward.as_ref().unwrap()))
    };
    let config = Config::lstm(UNITS).bidirectional().input_size(8);
    let steps = STEPS as u64;
    // One more after all steps of a direction, or of both.
    for (schedule, forward, backward) in [
        (Schedule::Stepwise, 2 * steps, 2 * (steps + 1)),
        (Schedule::Paired, steps, steps + 1),
        (Schedule::Sequence, 1, 1 + 1),
    ] {
        assert_eq!(steps_of(&plan(&config, Save::Gates, schedule)), (forward, backward), "{schedule:?}");
    }
    let projected = Config::lstm(UNITS).proj_size(5).input_size(8);
    let found = steps_of(&plan(&projected, Save::Gates, Schedule::Stepwise));
    assert_eq!(found, (2 * steps, 2 * steps + 1));
}
