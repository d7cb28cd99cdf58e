//! Passes and dispatches of each schedule.

use wgpu_rnn::inspect::{Kernel, Payload, Step};
use wgpu_rnn::{Cell, Config, Dtype, Error, Limits, Machine, Plan, Schedule, Tuning, Workload};

/// A plan of a certain schedule.
fn by(schedule: Schedule, config: &Config, steps: usize, batch: usize) -> Plan {
    let shape = Workload { tuning: schedule.into(), ..Workload::new(steps, batch) };
    Plan::of(config, &shape, &Limits::default()).unwrap()
}

#[test]
fn one_dispatch_a_step_and_direction() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(3).bidirectional().input_size(7);
        let plan = by(Schedule::Stepwise, &config, 11, 3);
        // The first layer's input is one product, each other layer's input one product per direction below.
        assert_eq!(plan.dispatches(), (1 + 2 * 2) + 3 * 2 * 11);
        assert_eq!(plan.passes().count(), 3 * (1 + 2), "a pass for the input, and one a direction");
        assert_eq!(plan.forward.submits.len(), 1);
        // Both directions together: half of them.
        let paired = by(Schedule::Paired, &config, 11, 3);
        assert_eq!(paired.dispatches(), (1 + 2 * 2) + 3 * 11);
        assert_eq!(paired.passes().count(), 3 * (1 + 1), "a pass for the input, and one for both directions");
        // All steps together, which is best for a small network.
        let sequence = Plan::new(&config, 11, 3, &Limits::default()).unwrap();
        assert_eq!(sequence.schedule, Schedule::Sequence);
        assert_eq!(sequence.dispatches(), (1 + 2 * 2) + 3);
        assert_eq!(sequence.passes().count(), paired.passes().count());
        for other in [&paired, &sequence] {
            assert_eq!(other.flops(), plan.flops());
        }
    }
}

/// Sequences are cut where an invocation's loops would have more turns than lavapipe lets them have, and
/// where a submit is full; and each workgroup's state fits into its memory.
#[test]
fn many_steps_are_several_dispatches_with_state_that_fits() {
    let limits = Limits { machine: Machine::SOFTWARE, subgroup_size: 8, ..Limits::default() };
    // 1,200 units in five turns, each of 300 vectors: some 20 steps per dispatch.
    for (hidden, batch, longest) in [(4, 3, 256), (300, 40, 256), (1200, 40, 30)] {
        let shape = Workload { tuning: Schedule::Sequence.into(), ..Workload::new(1000, batch) };
        let plan = Plan::of(&Config::rnn_tanh(hidden).input_size(2), &shape, &limits).unwrap();
        let passes: Vec<_> = plan.passes().filter(|pass| pass.times.is_some()).collect();
        for pass in &passes {
            let (times, dispatch) = (pass.times.unwrap(), &pass.dispatches[0]);
            let set = |name| dispatch.overrides.iter().find(|(set, _)| *set == name).unwrap().1 as u64;
            assert!(times.count <= longest, "{hidden}: {times:?}");
            let turns = times.count * set("TURNS") * set("DEPTH");
            assert!(turns < 65_535, "{hidden}: {turns} turns");
            assert!(4 * (4 * set("STATE_VECTORS") + set("STATE_NUMBERS")) <= 16_384, "{hidden}");
            assert!(u64::from(dispatch.tile.rows) * dispatch.tiles >= batch as u64);
            assert!(set("TURNS") * set("WORKGROUP") >= hidden as u64);
        }
        assert_eq!(passes.iter().map(|pass| pass.times.unwrap().count).sum::<u64>(), 1000);
    }
}

/// A plan takes `Paired` only where the network can have it; asking for it elsewhere is refused.
#[test]
fn a_schedule_is_what_the_network_can_have() {
    let lstm = || Config::lstm(13).num_layers(2).input_size(7);
    let each = [wgpu_rnn::Activation::Relu, wgpu_rnn::Activation::Tanh].repeat(3);
    let shape = |steps, schedule| {
        let tuning = Tuning { schedule, ..Tuning::default() };
        Workload { has_lengths: true, tuning, ..Workload::new(steps, 3) }
    };
    for (config, steps) in [
        (lstm(), 5),
        (lstm().proj_size(3), 5),
        (lstm().bidirectional().layer_norm(), 5),
        (lstm().bidirectional().residual(), 5),
        (lstm().bidirectional().activations(&each), 5),
        (lstm().bidirectional().merge(wgpu_rnn::Merge::Sum), 5),
        (lstm().bidirectional(), 1 << 20),
    ] {
        let plan = Plan::of(&config, &shape(steps, None), &Limits::default()).unwrap();
        let whole = config.proj_size == 0 && !config.layer_norm;
        let best = if whole { Schedule::Sequence } else { Schedule::Stepwise };
        assert_eq!(plan.schedule, best);
        let error = Plan::of(&config, &shape(steps, Some(Schedule::Paired)), &Limits::default()).unwrap_err();
        let possible = if whole { "stepwise or sequence" } else { "stepwise" };
        let expected = format!("schedule: expected {possible} for this network and size, found paired");
        assert_eq!(error.to_string(), expected);
    }
    // Large, and too large for a workgroup's memory.
    for (hidden, sequence) in [(1024, true), (2500, false)] {
        let config = Config::rnn_tanh(hidden).bidirectional().input_size(7);
        let plan = Plan::of(&config, &shape(5, None), &Limits::default()).unwrap();
        assert_eq!(plan.schedule, Schedule::Paired);
        let asked = Plan::of(&config, &shape(5, Some(Schedule::Sequence)), &Limits::default());
        assert_eq!(asked.is_ok(), sequence);
    }
}

#[test]
fn flops_are_those_of_the_products() {
    let config = Config::lstm(128).bidirectional().input_size(128);
    let plan = Plan::new(&config, 100, 16, &Limits::default()).unwrap();
    assert_eq!(plan.flops(), 2 * 2 * 100 * 16 * 4 * 128 * (128 + 128));
}

#[test]
fn directions_share_no_writable_buffer() {
    let config = Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    let plan = by(Schedule::Stepwise, &config, 5, 3);
    let written = |way: &str| -> Vec<usize> {
        let passes = plan.passes().filter(|pass| pass.label.ends_with(way));
        let dispatches = passes.flat_map(|pass| pass.dispatches.iter());
        let bound = dispatches.flat_map(|one| one.kernel.arrays().iter().zip(&one.bindings));
        bound.filter(|(array, _)| array.is_written).map(|(_, binding)| binding.buffer.0).collect()
    };
    let (forward, reverse) = (written("forward"), written("reverse"));
    assert!(!forward.is_empty() && !reverse.is_empty());
    assert!(forward.iter().all(|id| !reverse.contains(id)));
}

#[test]
fn every_time_step_is_taken_once_in_its_direction() {
    let config = Config::gru(5).bidirectional().input_size(3);
    let plan = by(Schedule::Stepwise, &config, 300, 2);
    let paired = by(Schedule::Paired, &config, 300, 2);
    let paired: Vec<_> = paired.passes().filter_map(|pass| pass.times).collect();
    for longest in [300, 45, 0] {
        let found: Vec<_> = paired.iter().flat_map(|times| times.iter(longest)).collect();
        let expected = (0..longest).map(|taken| Step {
            t: taken as u32,
            t_of_reverse: (longest - 1 - taken) as u32,
            taken,
            count: 1,
        });
        assert_eq!(found, expected.collect::<Vec<_>>());
    }
    // Many at once: the first one, in each direction, and how many.
    let sequence = by(Schedule::Sequence, &config, 300, 2);
    let sequence: Vec<_> = sequence.passes().filter_map(|pass| pass.times).collect();
    for (longest, expected) in
        [(300, vec![(0, 299, 256), (256, 43, 44)]), (45, vec![(0, 44, 45)]), (0, vec![])]
    {
        let found = sequence.iter().flat_map(|times| times.iter(longest));
        let found: Vec<_> = found.map(|step| (step.t, step.t_of_reverse, step.count)).collect();
        assert_eq!(found, expected);
    }
    for way in ["forward", "reverse"] {
        let passes = plan.passes().filter(|pass| pass.label.ends_with(way));
        let times: Vec<_> = passes.map(|pass| pass.times.unwrap()).collect();
        // All of them, or those within the longest sequence; t, and the steps taken before it.
        for longest in [300, 299, 256, 45, 1, 0] {
            let found = times.iter().flat_map(|times| times.iter(longest));
            let found: Vec<_> = found.map(|step| (step.t, step.taken)).collect();
            let forward = (0..longest as u32).map(|t| (t, u64::from(t)));
            let reverse = (0..longest).map(|taken| ((longest - 1 - taken) as u32, taken));
            let expected: Vec<_> = if way == "forward" { forward.collect() } else { reverse.collect() };
            assert_eq!(found, expected, "{way}, {longest}");
        }
    }
}

/// Past the longest sequence nothing is computed and nothing copied.
#[test]
fn work_ends_with_the_longest_sequence() {
    let config = Config::gru(13).num_layers(2).bidirectional().residual().input_size(7);
    let plan =
        Plan::of(&config, &Workload { has_lengths: true, ..Workload::new(100, 3) }, &Limits::default())
            .unwrap();
    for longest in [0, 1, 33, 100] {
        for dispatch in
            plan.passes().filter(|pass| pass.times.is_none()).flat_map(|pass| pass.dispatches.iter())
        {
            let [_, y, z] = plan.workgroups(dispatch, longest);
            let (tiles, whole) = (u64::from(y * z), dispatch.tiles);
            assert!(
                tiles * 100 >= whole * longest && tiles * 100 < whole * longest + 100,
                "{tiles} of {whole}"
            );
        }
        for transfer in plan.forward.uploads.iter().chain(&plan.forward.downloads) {
            let over_time = matches!(transfer.what, Payload::Input(_) | Payload::Result(_, Some(_)));
            let expected = if over_time { transfer.len / 100 * longest } else { transfer.len };
            assert_eq!(transfer.len_within(longest), expected);
        }
    }
}

/// Dispatches a step and direction: one, or two or three where a product waits for another.
#[test]
fn a_step_takes_as_many_dispatches_as_products_that_wait() {
    let dispatches = |config: Config| by(Schedule::Stepwise, &config.input_size(7), 100, 3).dispatches() - 1;
    let lstm = || Config::lstm(13);
    let one = lstm().peepholes().coupled_input_forget().cell_clip(-1.0, 1.0).preactivation_clip(1.0);
    assert_eq!(dispatches(one), 100);
    assert_eq!(dispatches(lstm().proj_size(5)), 200);
    assert_eq!(dispatches(Config::gru(13).gru_reset(wgpu_rnn::Reset::Before)), 200);
    assert_eq!(dispatches(lstm().layer_norm()), 200);
    assert_eq!(dispatches(lstm().layer_norm().proj_size(5)), 300);
}

/// Cooperative matrices: of f16, for products that fill a GPU, on an adapter that has them; refused by name
/// on any other.
#[test]
fn cooperative_tiles_are_for_large_products_of_f16() {
    let config = Config::lstm(128).input_size(64);
    let limits = Limits { f16: true, cooperative: true, ..Limits::default() };
    let tiles = |plan: &Plan| -> Vec<String> {
        plan.passes().flat_map(|pass| pass.dispatches.iter()).map(|one| one.tile.to_string()).collect()
    };
    let planned = |dtype, steps, batch, limits: &Limits| {
        Plan::of(&config, &Workload { dtype, ..Workload::new(steps, batch) }, limits).unwrap()
    };
    let large = planned(Dtype::F16, 100, 64, &limits);
    let of_gemm = |plan: &Plan| tiles(plan)[0].clone();
    assert_eq!(of_gemm(&large), "64c");
    assert_eq!(tiles(&large).iter().filter(|tile| *tile == "64c").count(), 1, "steps have none");
    let product = &large.passes().next().unwrap().dispatches[0];
    assert_eq!(large.workgroups(product, 100), [128 / 16, 6400 / 64, 1]);
    assert_ne!(of_gemm(&planned(Dtype::F16, 10, 4, &limits)), "64c");
    assert!(of_gemm(&planned(Dtype::F32, 100, 64, &limits)).ends_with("w"));
    let without = Limits { cooperative: false, ..limits };
    assert!(of_gemm(&planned(Dtype::F16, 100, 64, &without)).ends_with("w"));

    let tuning = Tuning { gemm: Some("64c".parse().unwrap()), ..Tuning::default() };
    let asked = |dtype, limits: &Limits| {
        Plan::of(&config, &Workload { dtype, tuning, ..Workload::new(2, 2) }, limits)
    };
    assert_eq!(of_gemm(&asked(Dtype::F16, &limits).unwrap()), "64c");
    for (dtype, limits) in [(Dtype::F16, without), (Dtype::F32, limits)] {
        let error = asked(dtype, &limits).unwrap_err();
        assert!(matches!(error, Error::Unsupported { name: "gemm tile", .. }), "{error}");
        assert!(error.to_string().ends_with("128w on this adapter, found 64c"), "{error}");
    }
}

/// A step's tile is of the network, N and the adapter: no result depends on T or on the schedule through it.
#[test]
fn step_tiles_depend_on_neither_time_nor_schedule() {
    let limits = Limits { machine: Machine::DISCRETE, ..Limits::default() };
    for (hidden_size, batch) in [(32, 1), (256, 32), (256, 200), (1024, 64)] {
        let config = Config::lstm(hidden_size).bidirectional().input_size(hidden_size);
        let mut tiles = Vec::new();
        for steps in [1, 4, 100, 1000, 4000] {
            for schedule in [Some(Schedule::Stepwise), Some(Schedule::Paired), None] {
                let tuning = Tuning { schedule, ..Tuning::default() };
                let workload = Workload { tuning, ..Workload::new(steps, batch) };
                let Ok(plan) = Plan::of(&config, &workload, &limits) else { continue };
                let steps = plan.passes().flat_map(|pass| pass.dispatches.iter());
                let steps = steps.filter(|dispatch| matches!(dispatch.kernel, Kernel::Step(_)));
                tiles.extend(steps.map(|dispatch| dispatch.tile));
            }
        }
        assert!(!tiles.is_empty());
        assert!(tiles.iter().all(|tile| *tile == tiles[0]), "H {hidden_size}, N {batch}: {tiles:?}");
    }
}

/// A tile that a sequence cannot have is refused with the tiles that it can have: 36 units of an LSTM fit
/// into registers, 128 do not. A network that has no sequence refuses the schedule.
#[test]
fn a_tile_that_no_sequence_has_is_refused_by_name() {
    let refused = |config: Config, name: &str| {
        let tuning = Tuning { step: Some(name.parse().unwrap()), ..Schedule::Sequence.into() };
        let workload = Workload { tuning, ..Workload::new(10, 3) };
        let limits = Limits { machine: Machine::DISCRETE, ..Limits::default() };
        Plan::of(&config.input_size(7), &workload, &limits).err().map(|error| error.to_string())
    };
    let expected = |found: &str| {
        let expected = "expected 1, 4, 8, 1u, 4u, 8u for a sequence of this network and size";
        Some(format!("step tile: {expected}, found {found}"))
    };
    assert_eq!(refused(Config::lstm(36), "1r"), None);
    for name in ["1r", "4r", "8k", "32w4"] {
        assert_eq!(refused(Config::lstm(128), name), expected(name));
    }
    let projected = refused(Config::lstm(128).proj_size(5), "1r").unwrap();
    assert_eq!(projected, "schedule: expected stepwise for this network and size, found sequence");
}
