//! The plan as text, and what must hold of every plan. `UPDATE_EXPECT=1 cargo test --test plan` rewrites the texts.

use expect_test::{Expect, expect};
use wgpu_rnn::inspect::{Content, Payload, Source, Step};
use wgpu_rnn::{Cell, Config, Dtype, Error, Limits, Outputs, Plan, Schedule, Tuning, Workload};

/// A plan of a certain schedule.
fn by(schedule: Schedule, config: &Config, steps: usize, batch: usize) -> Plan {
    let shape = Workload { tuning: schedule.into(), ..Workload::new(steps, batch) };
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
              input gates                      5760
              input                             480
              slot 0 h                          384
              slot 0 output                    1920
              slot 0 c                            4
              slot 2 h                          384
              slot 2 output                    1920
              slot 2 c                            4
              layer 0 weight_ih                4096  weights
              layer 0 bias_ih                   512  weights
              layer 0 weight_hh                6144  weights
              layer 0 bias_hh                  1536  weights
              layer 1 weight_ih               16384  weights
              layer 1 bias_ih                   512  weights
              layer 1 weight_hh                6144  weights
              layer 1 bias_hh                  1536  weights
              upload                           1248  staging
              download                         2688  staging
              all                             51656
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
              upload           copy                      5                                     1248
              layer 0 input    gemm/4k                   1          3x4x1        23040         9312
              layer 0 both     gru sequence/1            1          1x3x2        30420        37320
              layer 1 input    gemm/4k                   1          3x4x1        46080        12864
                               gemm/4k                   1          3x4x1        46080        12864
              layer 1 both     gru sequence/1            1          1x3x2        30420        37320
              download         copy                      6                                     2688
            all: 1 submits, 4 passes, 5 dispatches, 176040 FLOP
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
              layer 0 bias_ih                   256  weights
              layer 0 weight_hh                4096  weights
              layer 0 bias_hh                  1024  weights
              upload                           9728  staging
              download                        19328  staging
              all                            140672
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

/// A dispatch a tensor; several buffers of parameters where one cannot hold them.
#[test]
fn weights_are_packed_by_a_plan_of_their_own() {
    let config = Config::gru(13).num_layers(2).bidirectional().input_size(7);
    let plan = Plan::packing(&config, Dtype::F32, &Limits::default()).unwrap();
    let expected = expect![[r#"
        weights of gru bidirectional, 2 layers, I 7, H 13 as f32
        buffer                            bytes
          parameters                      20892  parameters
          layer 0 weight_ih                4096  weights
          layer 0 bias_ih                   512  weights
          layer 0 weight_hh                6144  weights
          layer 0 bias_hh                  1536  weights
          layer 1 weight_ih               16384  weights
          layer 1 bias_ih                   512  weights
          layer 1 weight_hh                6144  weights
          layer 1 bias_hh                  1536  weights
          all                             57756
        submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
          layer 0 pack     pack                      1          1x5x1            0         2340
                           pack                      1          1x5x1            0         2340
                           pack                      1          1x1x1            0          312
                           pack                      1          1x1x1            0          312
                           pack                      1         1x10x1            0         4524
                           pack                      1         1x10x1            0         4524
                           pack                      1          1x1x1            0          312
                           pack                      1          1x1x1            0          312
          layer 1 pack     pack                      1         1x10x1            0         9048
                           pack                      1         1x10x1            0         9048
                           pack                      1          1x1x1            0          312
                           pack                      1          1x1x1            0          312
                           pack                      1         1x10x1            0         4524
                           pack                      1         1x10x1            0         4524
                           pack                      1          1x1x1            0          312
                           pack                      1          1x1x1            0          312
        all: 1 submits, 2 passes, 16 dispatches, 0 FLOP
    "#]];
    expected.assert_eq(&plan.to_string());
    let limits = Limits { max_buffer_bytes: 10 << 10, ..Limits::default() };
    let plan = Plan::packing(&Config::lstm(13).input_size(37), Dtype::F32, &limits).unwrap();
    let expected = expect![[r#"
        weights of lstm, 1 layer, I 37, H 13 as f32
        buffer                            bytes
          parameters 0                     7696  parameters
          parameters 1                     3280  parameters
          layer 0 weight_ih               10240  weights
          layer 0 bias_ih                   256  weights
          layer 0 weight_hh                4096  weights
          layer 0 bias_hh                  1024  weights
          all                             26592
        submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
          layer 0 pack     pack                      1         1x52x1            0        16016
                           pack                      1          1x1x1            0          416
                           pack                      1         1x13x1            0         6032
                           pack                      1          1x1x1            0          416
        all: 1 submits, 1 passes, 4 dispatches, 0 FLOP
    "#]];
    expected.assert_eq(&plan.to_string());
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

/// Gates larger than a binding are computed in segments, each of which fits, for one direction at a time.
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
        let is_bound = !staging && !matches!(buffer.content, Content::Weight(_));
        let limit = if is_bound { limits.max_binding_bytes } else { limits.max_buffer_bytes };
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
        for transfer in plan.uploads.iter().chain(&plan.downloads) {
            let over_time = matches!(transfer.what, Payload::Input(_) | Payload::Result(_, Some(_)));
            let expected = if over_time { transfer.len / 100 * longest } else { transfer.len };
            assert_eq!(transfer.len_within(longest), expected);
        }
    }
}

/// Outputs that no one asks for are neither kept nor read back.
#[test]
fn outputs_cost_what_they_hold() {
    let config = Config::lstm(8).num_layers(2).input_size(4);
    let (steps, batch, row) = (1000, 2, 8);
    let bytes = |last_only, cell_states, every_layer, content| {
        let mut outputs = Outputs::default();
        (outputs.last_only, outputs.cell_states, outputs.every_layer) = (last_only, cell_states, every_layer);
        let workload = Workload { outputs, ..Workload::new(steps, batch) };
        let plan = Plan::of(&config, &workload, &Limits::default()).unwrap();
        let of = plan.buffers.iter().filter(|buffer| buffer.content == content);
        of.map(|buffer| buffer.len).sum::<u64>()
    };
    let (sequence, states) = ((steps * batch * row) as u64, (2 * 2 * batch * row) as u64);
    let final_h = (batch * row) as u64;
    assert_eq!(bytes(false, false, false, Content::Download), sequence + states);
    assert_eq!(bytes(true, false, false, Content::Download), final_h + states);
    let [all, last] = [false, true].map(|last_only| bytes(last_only, false, false, Content::Work));
    assert_eq!(all - last, sequence - 1);
    assert_eq!(bytes(false, false, true, Content::Download), 2 * sequence + states);
    assert_eq!(bytes(false, true, false, Content::Download), 2 * sequence + states);
    assert_eq!(bytes(false, true, false, Content::Work) - all, sequence);
}

/// Source::Final comes from the states' own buffers, or from one buffer where directions are merged by number, which costs two
/// dispatches, whatever the number of steps.
#[test]
fn a_merged_final_state_costs_two_dispatches() {
    let mut outputs = Outputs::default();
    outputs.last_only = true;
    for (merge, dispatches) in [(wgpu_rnn::Merge::Concatenate, 0), (wgpu_rnn::Merge::Sum, 2)] {
        let config = Config::gru(13).bidirectional().merge(merge).input_size(7);
        let workload = Workload { outputs, tuning: Schedule::Stepwise.into(), ..Workload::new(9, 3) };
        let plan = Plan::of(&config, &workload, &Limits::default()).unwrap();
        assert_eq!(plan.dispatches(), 1 + 2 * 9 + dispatches);
        let is_final =
            |what: &Payload| matches!(what, Payload::Result(piece, None) if piece.source == Source::Final);
        let pieces = plan.downloads.iter().filter(|transfer| is_final(&transfer.what)).count();
        assert_eq!(pieces as u64, 2 - dispatches / 2);
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

#[test]
fn what_cannot_fit_says_how_much_it_needs() {
    let error = Plan::new(&Config::lstm(4096).input_size(4096), 1, 1, &Limits::default()).unwrap_err();
    assert!(matches!(error, Error::TooLarge { needed: 268_435_456, limit: 134_217_728, .. }));
    assert_eq!(
        error.to_string(),
        "buffer \"layer 0 weight_ih\" of lstm, 1 layer, I 4096, H 4096, T 1, N 1: needs 268435456 bytes, and \
         a binding of the adapter can hold at most 134217728"
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
    assert_eq!(of_gemm(&planned(Dtype::F32, 100, 64, &limits)), "64w");
    let without = Limits { cooperative: false, ..limits };
    assert_eq!(of_gemm(&planned(Dtype::F16, 100, 64, &without)), "64w");

    let tuning = Tuning { gemm: Some("64c".parse().unwrap()), ..Tuning::default() };
    let asked = |dtype, limits: &Limits| {
        Plan::of(&config, &Workload { dtype, tuning, ..Workload::new(2, 2) }, limits)
    };
    assert_eq!(of_gemm(&asked(Dtype::F16, &limits).unwrap()), "64c");
    for (dtype, limits) in [(Dtype::F16, without), (Dtype::F32, limits)] {
        let error = asked(dtype, &limits).unwrap_err();
        assert!(matches!(error, Error::Unsupported { name: "gemm tile", .. }), "{error}");
        assert!(error.to_string().ends_with("64w on this adapter, found 64c"), "{error}");
    }
}

/// The property that a longer call can have, so has a shorter one: a plan that fits at T + 1 fits at T.
#[test]
fn a_call_that_fits_at_one_step_more_fits() {
    // Bindings of a few steps, and T around the places where one segment of both directions, one of each, and several end.
    for (binding, buffer) in
        [(4 << 10, 8 << 10), (20 << 10, 40 << 10), (100 << 10, 100 << 10), (128 << 20, 256 << 20)]
    {
        let limits = Limits { max_binding_bytes: binding, max_buffer_bytes: buffer, ..Limits::default() };
        for cell in Cell::ALL {
            for config in [
                Config::new(cell, 16).bidirectional().input_size(16),
                Config::new(cell, 8).num_layers(2).bidirectional().input_size(24),
                Config::new(cell, 13).bidirectional().merge(wgpu_rnn::Merge::Sum).input_size(7),
                Config::new(cell, 11).input_size(5),
            ] {
                let mut fits_longer = false;
                for steps in (1..120).rev().chain([0]) {
                    let fits = Plan::new(&config, steps.max(1), 3, &limits).is_ok();
                    assert!(fits || !fits_longer, "{config:?} in {binding} bytes: T {steps} does not fit");
                    fits_longer = fits;
                }
            }
        }
    }
    // The sizes at which this was not so.
    for config in [Config::lstm(128), Config::gru(128)] {
        let config = config.bidirectional().input_size(128);
        for steps in [2048, 2049, 3000, 4096, 4097] {
            Plan::new(&config, steps, 16, &Limits::default()).unwrap();
        }
    }
    let plan =
        Plan::new(&Config::lstm(128).bidirectional().input_size(128), 3000, 16, &Limits::default()).unwrap();
    // One segment, a product for each direction.
    assert_eq!(plan.dispatches(), 2 + 2 * 3000);
}

/// Plans that would not end are refused at once.
#[test]
fn absurd_sizes_are_refused_at_once() {
    let lstm = Config::lstm(64).bidirectional().input_size(64);
    for (config, steps, batch) in [
        (lstm.clone(), 1 << 24, 30_000),
        (lstm.clone(), 32, usize::MAX / 2),
        (lstm.clone().num_layers(1 << 16), 1 << 20, 1),
        (Config::gru(usize::MAX / (1 << 40)).input_size(1), 5, usize::MAX),
    ] {
        let error = Plan::new(&config, steps, batch, &Limits::default()).unwrap_err();
        assert!(matches!(error, Error::TooLarge { .. } | Error::Setting { .. }), "{error}");
    }
}
