//! Plans of saved calls: the numbers that they keep, and their dispatches.

use wgpu_rnn::inspect::{Kernel, Run, Tile};
use wgpu_rnn::{Config, Limits, Machine, Plan, Save, SavedBytes, Schedule, Tuning, Workload};

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

/// The tile and workgroups of an LSTM's product on the way back, and the estimated seconds of a step there.
fn step_back(hidden_size: usize, batch: usize, step: Option<Tile>, limits: &Limits) -> (Tile, u64, f64) {
    let tuning = Tuning { step, ..Schedule::Stepwise.into() };
    let workload = Workload { saves: Some(Save::Gates), tuning, ..Workload::new(25, batch) };
    let plan = Plan::of(&Config::lstm(hidden_size).input_size(hidden_size), &workload, limits).unwrap();
    let is_back = |pass: &&wgpu_rnn::inspect::Pass| pass.label == "layer 0 forward back";
    let pass = plan.passes().find(is_back).expect("there is a way back");
    let product = &pass.dispatches[0];
    assert!(matches!(product.kernel, Kernel::Back { run: Run::Step, .. }), "{plan}");
    // Parts of K, and they alone, are added by another dispatch.
    let sums = product.kernel.sums(product.tile);
    let kernels: Vec<_> = pass.dispatches.iter().map(|dispatch| dispatch.kernel).collect();
    assert_eq!(kernels, [product.kernel].into_iter().chain(sums).collect::<Vec<_>>(), "{plan}");
    let seconds = pass.dispatches.iter().map(|dispatch| plan.estimate(pass, dispatch).seconds).sum();
    let groups = plan.workgroups(product, 25).into_iter().map(u64::from).product();
    (product.tile, groups, seconds)
}

/// Large steps on the way back have K in parts, which give every unit of a large GPU two workgroups. A step
/// that a dispatch more would slow down has K whole, and so has one whose sums of parts do not fit into a
/// binding.
#[test]
fn k_is_in_parts_where_that_is_faster() {
    let limits = Limits { machine: Machine::DISCRETE, ..Limits::default() };
    for (hidden_size, batch) in [(1024, 64), (2048, 32)] {
        let (tile, groups, seconds) = step_back(hidden_size, batch, None, &limits);
        assert!(tile.parts() > 1 && groups >= 2 * u64::from(limits.machine.units), "{tile}, {groups} groups");
        for name in ["8u", "16k", "32w", "32w4", "32w8"] {
            let (asked, _, other) = step_back(hidden_size, batch, Some(name.parse().unwrap()), &limits);
            println!(
                "LSTM {hidden_size} N {batch}: {name} {:.1} us, {tile} {:.1} us",
                1e6 * other,
                1e6 * seconds
            );
            assert!(asked.to_string() == name && other >= seconds, "{tile} {seconds}, {name} {other}");
        }
    }
    // The product alone would be faster in parts.
    let (tile, ..) = step_back(192, 64, None, &limits);
    assert_eq!(tile.parts(), 1, "{tile}");
    // The gates of two steps fit, 2 MiB; both carried gradients with eight sums of parts do not, 2.5 MiB.
    for (bytes, expected) in [(9 << 18, "32w"), (10 << 18, "32w8")] {
        let narrow = Limits { max_binding_bytes: bytes, ..limits };
        let (tile, ..) = step_back(64, 1024, Some("32w8".parse().unwrap()), &narrow);
        assert_eq!(tile.to_string(), expected);
    }
}

/// The kernels and tiles of the steps of a sequence by a named tile, forward, back and after all steps.
fn sequence_by(name: &str, limits: &Limits) -> Vec<String> {
    let tuning = Tuning { step: Some(name.parse().unwrap()), ..Schedule::Sequence.into() };
    let workload = Workload { saves: Some(Save::Gates), tuning, ..Workload::new(STEPS, BATCH) };
    let plan = Plan::of(&Config::lstm(32).input_size(8), &workload, limits).unwrap();
    let dispatches = plan.passes().flat_map(|pass| pass.dispatches.iter());
    let steps = dispatches.filter(|one| one.kernel.has_step_index());
    steps.map(|one| format!("{}/{}", one.kernel.name(), one.tile)).collect()
}

/// A named tile is that of a sequence's way back and of the product after all steps. A tile that keeps
/// weights in registers is of the way forward alone, whose way back has the plan's own tiles.
#[test]
fn a_named_tile_is_of_the_way_back() {
    let discrete = Limits { machine: Machine::DISCRETE, subgroup_size: 32, ..Limits::default() };
    let software = Limits { machine: Machine::SOFTWARE, subgroup_size: 8, ..Limits::default() };
    for limits in [discrete, software] {
        for name in ["1", "4", "8", "1u", "4u", "8u", "8s", "16s", "32s"] {
            let expected = ["lstm sequence", "lstm back sequence", "lstm back"];
            assert_eq!(sequence_by(name, &limits), expected.map(|kernel| format!("{kernel}/{name}")));
        }
        for name in ["1r", "4r"] {
            let found = sequence_by(name, &limits);
            assert_eq!(found[0], format!("lstm sequence/{name}"));
            let (fits, in_one, after) = match limits.machine.is_software {
                true => (found.len() == 3, "lstm back sequence/8s", "lstm back/8s"),
                false => (found.len() == 3, "lstm back sequence/1u", "lstm back/1k"),
            };
            assert!(fits && found[1..] == [in_one, after], "{found:?}");
        }
    }
}

/// The schedule of a saved call has the least estimated time of both ways.
#[test]
fn the_schedule_is_the_best_of_both_ways() {
    let discrete = Limits { machine: Machine::DISCRETE, subgroup_size: 32, ..Limits::default() };
    let software = Limits { machine: Machine::SOFTWARE, subgroup_size: 8, ..Limits::default() };
    for (config, batch, limits) in [
        (Config::lstm(96), 4, software),
        (Config::lstm(96).bidirectional(), 4, software),
        (Config::gru(64).bidirectional(), 1024, discrete),
        (Config::gru(64), 3, discrete),
        (Config::rnn_tanh(300).bidirectional(), 40, discrete),
    ] {
        let planned = |schedule| {
            let workload = Workload { saves: Some(Save::Gates), ..Workload::new(25, batch) };
            let workload = Workload { tuning: Tuning { schedule, ..Tuning::default() }, ..workload };
            Plan::of(&config.clone().input_size(32), &workload, &limits)
        };
        let chosen = planned(None).unwrap();
        let others = Schedule::ALL.into_iter().filter_map(|schedule| planned(Some(schedule)).ok());
        for other in others {
            let (ours, theirs) = (1e6 * chosen.seconds(), 1e6 * other.seconds());
            println!("{}: {ours:.1} us, {} {theirs:.1} us", chosen.title, other.schedule.name());
            assert!(
                ours <= 1.001 * theirs,
                "{}: {ours} us, {} {theirs} us",
                chosen.title,
                other.schedule.name()
            );
        }
    }
}
