//! A plan's buffers: their sizes, the split by time, and the error where nothing fits.

use wgpu_rnn::inspect::{Content, Payload, Source};
use wgpu_rnn::{Cell, Config, Error, Limits, Outputs, Plan, Schedule, Workload};

#[test]
fn copies_stay_within_their_buffers() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
        let plan = Plan::new(&config, 5, 3, &Limits::default()).unwrap();
        for copy in plan.forward.uploads.iter().chain(&plan.forward.downloads) {
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
        assert_eq!(plan.forward.uploads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Upload));
        assert_eq!(plan.forward.downloads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Download));
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
    // One vector is bound where no output is.
    assert_eq!(all - last, sequence - 4);
    assert_eq!(bytes(false, false, true, Content::Download), 2 * sequence + states);
    assert_eq!(bytes(false, true, false, Content::Download), 2 * sequence + states);
    assert_eq!(bytes(false, true, false, Content::Work) - all, sequence);
}

/// Source::Final comes from the states' own buffers, or from one buffer where directions are merged by
/// number, which costs two dispatches, whatever the number of steps.
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
        let pieces = plan.forward.downloads.iter().filter(|transfer| is_final(&transfer.what)).count();
        assert_eq!(pieces as u64, 2 - dispatches / 2);
    }
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
    assert_eq!(error.to_string(), "input_size: expected at least 1, or a first call with an input, found 0");
}

/// The property that a longer call can have, so has a shorter one: a plan that fits at T + 1 fits at T.
#[test]
fn a_call_that_fits_at_one_step_more_fits() {
    // Bindings of a few steps, and T around the places where one segment of both directions, one of each, and
    // several end.
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
