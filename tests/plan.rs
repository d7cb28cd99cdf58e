//! The plan as text, and what must hold of every plan. `UPDATE_EXPECT=1 cargo test --test plan` rewrites the texts.

use expect_test::{Expect, expect};
use wgpu_rnn::inspect::{Content, Limits, Payload, Step, Workload};
use wgpu_rnn::{Cell, Config, Error, Plan, Schedule, Tuning};

/// A plan of a certain schedule.
fn by(schedule: Schedule, config: &Config, steps: usize, batch: usize) -> Plan {
    let shape = Workload { steps, batch, has_lengths: false, tuning: schedule.into() };
    Plan::of(config, &shape, &Limits::default()).unwrap()
}

fn check(config: &Config, steps: usize, batch: usize, expected: &Expect) {
    let plan = Plan::new(config, steps, batch, &Limits::default()).unwrap();
    expected.assert_eq(&plan.to_string());
}

#[test]
fn stacked_bidirectional_gru() {
    let config = Config::gru(13).num_layers(2).bidirectional().input_size(7);
    check(
        &config,
        5,
        3,
        &expect![[r#"
            gru bidirectional, 2 layers, I 7, H 13, T 5, N 3, sequence
            buffer                            bytes
              input gates                      5040
              input                             480
              slot 0 h                          384
              slot 0 output                    1920
              slot 0 c                            4
              layer 0 weight_ih                3072  weights
              layer 0 bias_ih                   336  weights
              slot 0 bias_hh                    312  weights
              slot 0 weight_hh                 6144  weights
              slot 2 h                          384
              slot 2 output                    1920
              slot 2 c                            4
              layer 1 weight_ih               12288  weights
              layer 1 bias_ih                   336  weights
              slot 2 bias_hh                    312  weights
              slot 2 weight_hh                 6144  weights
              upload                           1248  staging
              download                         2688  staging
              all                             43016
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
              upload           copy                      5                                     1248
              layer 0 input    gemm/4k                   1          3x4x1        20160         8208
              layer 0 both     gru sequence/1            1          1x3x2        30420        32640
              layer 1 input    gemm/4k                   1          3x4x1        40320        11376
                               gemm/4k                   1          3x4x1        40320        11376
              layer 1 both     gru sequence/1            1          1x3x2        30420        32640
              download         copy                      6                                     2688
            all: 1 submits, 4 passes, 5 dispatches, 161640 FLOP
        "#]],
    );
}

#[test]
fn long_lstm_takes_two_submits() {
    check(
        &Config::lstm(8).input_size(4),
        300,
        2,
        &expect![[r#"
            lstm, 1 layer, I 4, H 8, T 300, N 2, sequence
            buffer                            bytes
              input gates                     76800
              input                            9600
              slot 0 h                           64
              slot 0 output                   19200
              slot 0 c                           64
              layer 0 weight_ih                 512  weights
              layer 0 bias_ih                   128  weights
              slot 0 bias_hh                    128  weights
              slot 0 weight_hh                 1024  weights
              upload                           9728  staging
              download                        19328  staging
              all                            136576
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
              upload           copy                      3                                     9728
              layer 0 input    gemm/4k                   1        1x150x1       153600        86912
              layer 0 forward  lstm sequence/1           1          1x2x1       262144       393216
            submit 1           kernel/rows      dispatches     workgroups         FLOP        bytes
              layer 0 forward  lstm sequence/1           1          1x2x1        45056        67584
              download         copy                      3                                    19328
            all: 2 submits, 3 passes, 3 dispatches, 460800 FLOP
        "#]],
    );
}

#[test]
fn one_dispatch_a_step_and_direction() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(3).bidirectional().input_size(7);
        let plan = by(Schedule::Stepwise, &config, 11, 3);
        // The first layer's input is one product, each other's one a direction below.
        assert_eq!(plan.dispatches(), (1 + 2 * 2) + 3 * 2 * 11);
        assert_eq!(plan.passes().count(), 3 * (1 + 2), "a pass for the input, and one a direction");
        assert_eq!(plan.submits.len(), 1);
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

/// Sequences are cut where an invocation's loops would have more turns than lavapipe lets them have, and where a submit is full;
/// and each workgroup's state fits into its memory.
#[test]
fn many_steps_are_several_dispatches_with_state_that_fits() {
    let limits = Limits { is_software: true, subgroup_size: 8, ..Limits::default() };
    // 1,200 units in five turns, each of 300 vectors: some 20 steps a dispatch.
    for (hidden, batch, longest) in [(4, 3, 256), (300, 40, 256), (1200, 40, 30)] {
        let shape = Workload { steps: 1000, batch, has_lengths: false, tuning: Schedule::Sequence.into() };
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

/// Where both directions cannot be done at once they are not, unless it is asked for, which is then refused.
#[test]
fn a_schedule_is_what_the_network_can_have() {
    let lstm = || Config::lstm(13).num_layers(2).input_size(7);
    let each = [wgpu_rnn::Activation::Relu, wgpu_rnn::Activation::Tanh].repeat(3);
    let shape = |steps, schedule| {
        let tuning = Tuning { schedule, ..Tuning::default() };
        Workload { steps, batch: 3, has_lengths: true, tuning }
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
        let dispatches = passes.flat_map(|pass| &pass.dispatches);
        dispatches.flat_map(|d| d.buffers[d.kernel.bindings().0..].iter().map(|id| id.0)).collect()
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

#[test]
fn copies_stay_within_their_buffers() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
        let plan = Plan::new(&config, 5, 3, &Limits::default()).unwrap();
        for copy in plan.uploads.iter().chain(&plan.downloads) {
            assert!(copy.staging_offset + copy.bytes() <= plan.buffers[copy.staging.0].bytes());
            for buffer in copy.buffer {
                let buffer = &plan.buffers[buffer.0];
                assert!(
                    copy.buffer_offset + copy.bytes() / copy.dtype.bytes()
                        <= buffer.bytes() / buffer.dtype.bytes()
                );
                assert_eq!(copy.dtype, buffer.dtype);
            }
        }
        // Together they fill the staging buffers.
        let len = |content| plan.buffers.iter().find(|buffer| buffer.content == content).unwrap().len;
        assert_eq!(plan.uploads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Upload));
        assert_eq!(plan.downloads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Download));
    }
}

/// What is larger than a binding comes in segments, each of which fits, and the input's gates are those of one direction.
#[test]
fn what_is_larger_than_a_binding_is_split_by_time() {
    let config = Config::lstm(128).bidirectional().input_size(128);
    let whole = Plan::new(&config, 2048, 16, &Limits::default()).unwrap();
    assert_eq!(whole.schedule, Schedule::Paired);
    assert_eq!(whole.buffers.iter().filter(|buffer| buffer.name.starts_with("input")).count(), 2);
    let plan = Plan::new(&config, 10_000, 16, &Limits::default()).unwrap();
    assert_eq!(plan.flops(), 2 * 2 * 10_000 * 16 * 4 * 128 * (128 + 128));
    assert_eq!(plan.dispatches(), 3 * 2 + 2 * 10_000);
    let limits = Limits::default();
    for buffer in &plan.buffers {
        let staging = matches!(buffer.content, Content::Upload | Content::Download);
        let limit = if staging { limits.max_buffer_bytes } else { limits.max_binding_bytes };
        assert!(4 * buffer.len <= limit, "{}", buffer.name);
    }
    // A hundred thousand steps of a small network, and one too many.
    let small = Config::gru(8).input_size(4);
    let plan = Plan::new(&small, 100_000, 1, &limits).unwrap();
    assert_eq!(plan.dispatches(), 1 + 100_000_u64.div_ceil(256));
    let error = Plan::new(&small, (1 << 24) + 1, 1, &limits).unwrap_err();
    assert_eq!(
        error.to_string(),
        "gru, 1 layer, I 4, H 8, T 16777217, N 1: needs 16777217 time steps, and a call can hold at most 16777216"
    );
}

/// Past the longest sequence nothing is computed and nothing copied.
#[test]
fn work_ends_with_the_longest_sequence() {
    let config = Config::gru(13).num_layers(2).bidirectional().residual().input_size(7);
    let plan = Plan::of(
        &config,
        &Workload { steps: 100, batch: 3, has_lengths: true, tuning: Tuning::default() },
        &Limits::default(),
    )
    .unwrap();
    for longest in [0, 1, 33, 100] {
        for dispatch in plan.passes().filter(|pass| pass.times.is_none()).flat_map(|pass| &pass.dispatches) {
            let [_, y, z] = plan.workgroups(dispatch, longest);
            let (tiles, whole) = (u64::from(y * z), dispatch.tiles);
            assert!(
                tiles * 100 >= whole * longest && tiles * 100 < whole * longest + 100,
                "{tiles} of {whole}"
            );
        }
        for transfer in plan.uploads.iter().chain(&plan.downloads) {
            let over_time = matches!(transfer.what, Payload::Input(_) | Payload::Output(..));
            let expected = if over_time { transfer.len / 100 * longest } else { transfer.len };
            assert_eq!(transfer.len_within(longest), expected);
        }
    }
}

/// What is not asked for is neither kept nor read back.
#[test]
fn outputs_cost_what_they_hold() {
    let config = Config::lstm(8).num_layers(2).input_size(4);
    let (steps, batch, row) = (1000, 2, 8);
    let bytes = |config: &Config, content| {
        let plan = Plan::new(config, steps, batch, &Limits::default()).unwrap();
        let of = plan.buffers.iter().filter(|buffer| buffer.content == content);
        of.map(|buffer| buffer.len).sum::<u64>()
    };
    let (sequence, states) = ((steps * batch * row) as u64, (2 * 2 * batch * row) as u64);
    assert_eq!(bytes(&config, Content::Download), sequence + states);
    let last = config.clone().last_only();
    assert_eq!(bytes(&last, Content::Download), states);
    assert_eq!(bytes(&config, Content::Work) - bytes(&last, Content::Work), sequence - 1);
    assert_eq!(bytes(&config.clone().every_layer(), Content::Download), 2 * sequence + states);
    let cells = config.clone().cell_states();
    assert_eq!(bytes(&cells, Content::Download), 2 * sequence + states);
    assert_eq!(bytes(&cells, Content::Work) - bytes(&config, Content::Work), sequence);
}

/// Dispatches a step and direction: one, or two or three where a product waits for another.
#[test]
fn a_step_takes_as_many_dispatches_as_products_that_wait() {
    let dispatches = |config: Config| by(Schedule::Stepwise, &config.input_size(7), 100, 3).dispatches() - 1;
    let lstm = || Config::lstm(13);
    let one = lstm().peepholes().coupled_input_forget().cell_clip(-1.0, 1.0).preactivation_clip(1.0);
    assert_eq!(dispatches(one.cell_states()), 100);
    assert_eq!(dispatches(lstm().proj_size(5)), 200);
    assert_eq!(dispatches(Config::gru(13).gru_reset(wgpu_rnn::Reset::Before)), 200);
    assert_eq!(dispatches(lstm().layer_norm()), 200);
    assert_eq!(dispatches(lstm().layer_norm().proj_size(5)), 300);
}

#[test]
fn what_cannot_fit_says_how_much_it_needs() {
    let error = Plan::new(&Config::lstm(4096).input_size(4096), 1, 1, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { needed: 268_435_456, limit: 134_217_728, .. }));
    assert_eq!(
        error.to_string(),
        "buffer \"layer 0 weight_ih\" of lstm, 1 layer, I 4096, H 4096, T 1, N 1: needs 268435456 bytes, and \
         the adapter can hold at most 134217728"
    );
    for (steps, batch) in [(usize::MAX, usize::MAX), (1 << 40, 1), (1, 1 << 40)] {
        let error = Plan::new(&Config::gru(3).input_size(2), steps, batch, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. }), "{error}");
    }
    let error = Plan::new(&Config::gru(3), 1, 1, &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "input_size: expected at least 1, found 0");
}

/// Cooperative matrices: of f16, for products that fill a GPU, on an adapter that has them; refused by name on any other.
#[test]
fn cooperative_tiles_are_for_large_products_of_f16() {
    let config = Config::lstm(128).input_size(64);
    let limits = Limits { f16: true, cooperative: true, ..Limits::default() };
    let tiles = |plan: &Plan| -> Vec<String> {
        plan.passes().flat_map(|pass| &pass.dispatches).map(|one| one.tile.to_string()).collect()
    };
    let large = Plan::new(&config.clone().half(), 100, 64, &limits).unwrap();
    let of_gemm = |plan: &Plan| tiles(plan)[0].clone();
    assert_eq!(of_gemm(&large), "64c");
    assert_eq!(tiles(&large).iter().filter(|tile| *tile == "64c").count(), 1, "steps have none");
    let product = &large.passes().next().unwrap().dispatches[0];
    assert_eq!(large.workgroups(product, 100), [128 / 16, 6400 / 64, 1]);
    let small = Plan::new(&config.clone().half(), 10, 4, &limits).unwrap();
    assert_ne!(of_gemm(&small), "64c");
    let single = Plan::new(&config, 100, 64, &limits).unwrap();
    assert_eq!(of_gemm(&single), "64w");
    let without = Limits { cooperative: false, ..limits };
    assert_eq!(of_gemm(&Plan::new(&config.clone().half(), 100, 64, &without).unwrap()), "64w");

    let tuning = Tuning { gemm: Some("64c".parse().unwrap()), ..Tuning::default() };
    let asked = Workload { steps: 2, batch: 2, has_lengths: false, tuning };
    assert_eq!(of_gemm(&Plan::of(&config.clone().half(), &asked, &limits).unwrap()), "64c");
    for (config, limits) in [(config.clone().half(), without), (config, limits)] {
        let error = Plan::of(&config, &asked, &limits).unwrap_err();
        assert!(matches!(error, Error::Setting { name: "gemm tile", .. }), "{error}");
        assert!(error.to_string().ends_with("64w on this adapter, found 64c"), "{error}");
    }
}
