//! The plan as text, and what must hold of every plan. `UPDATE_EXPECT=1 cargo test --test plan` rewrites the texts.

use expect_test::{Expect, expect};
use wgpu_rnn::plan::{Content, Limits};
use wgpu_rnn::{Cell, Config, Error, Plan};

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
            gru bidirectional, 2 layers, I 7, H 13, T 5, N 3
            buffer                            bytes
              upload                           1248  staging
              download                         2688  staging
              input                             480
              input gates                      5040
              layer 0 weight_ih                3072  weights
              layer 0 bias_ih                   336  weights
              slot 0 h                          192
              slot 0 next h                     192
              slot 0 output                     960
              slot 0 c                            4
              slot 0 weight_hh                 3072  weights
              slot 0 bias_hh                    156  weights
              slot 1 h                          192
              slot 1 next h                     192
              slot 1 output                     960
              slot 1 c                            4
              slot 1 weight_hh                 3072  weights
              slot 1 bias_hh                    156  weights
              layer 1 weight_ih               12288  weights
              layer 1 bias_ih                   336  weights
              slot 2 h                          192
              slot 2 next h                     192
              slot 2 output                     960
              slot 2 c                            4
              slot 2 weight_hh                 3072  weights
              slot 2 bias_hh                    156  weights
              slot 3 h                          192
              slot 3 next h                     192
              slot 3 output                     960
              slot 3 c                            4
              slot 3 weight_hh                 3072  weights
              slot 3 bias_hh                    156  weights
              all                             43792
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
              upload           copy                      5                                     1248
              layer 0 input    project/1                 1         1x15x1        20160         8208
              layer 0 forward  gru/1                     5          1x3x1        15210        16320
              layer 0 backward gru/1                     5          1x3x1        15210        16320
              layer 1 input    project/1                 1         1x15x1        40320        11376
                               project/1                 1         1x15x1        40320        11376
              layer 1 forward  gru/1                     5          1x3x1        15210        16320
              layer 1 backward gru/1                     5          1x3x1        15210        16320
              download         copy                      6                                     2688
            all: 1 submits, 6 passes, 23 dispatches, 161640 FLOP
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
            lstm, 1 layer, I 4, H 8, T 300, N 2
            buffer                            bytes
              upload                           9728  staging
              download                        19328  staging
              input                            9600
              input gates                     76800
              layer 0 weight_ih                 512  weights
              layer 0 bias_ih                   128  weights
              slot 0 h                           64
              slot 0 next h                      64
              slot 0 output                   19200
              slot 0 c                           64
              slot 0 weight_hh                 1024  weights
              slot 0 bias_hh                    128  weights
              all                            136640
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes
              upload           copy                      3                                     9728
              layer 0 input    project/1                 1        1x600x1       153600        86912
              layer 0 forward  lstm/1                  256          1x2x1       262144       393216
            submit 1           kernel/rows      dispatches     workgroups         FLOP        bytes
              layer 0 forward  lstm/1                   44          1x2x1        45056        67584
              download         copy                      3                                    19328
            all: 2 submits, 3 passes, 301 dispatches, 460800 FLOP
        "#]],
    );
}

#[test]
fn one_dispatch_a_step_and_direction() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(3).bidirectional().input_size(7);
        let plan = Plan::new(&config, 11, 3, &Limits::default()).unwrap();
        // The first layer's input is one product, each other's one a direction below.
        assert_eq!(plan.dispatches(), (1 + 2 * 2) + 3 * 2 * 11);
        assert_eq!(plan.passes().count(), 3 * (1 + 2), "a pass for the input, and one a direction");
        assert_eq!(plan.submits.len(), 1);
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
    let plan = Plan::new(&config, 5, 3, &Limits::default()).unwrap();
    let written = |way: &str| -> Vec<usize> {
        let passes = plan.passes().filter(|pass| pass.label.ends_with(way));
        let dispatches = passes.flat_map(|pass| &pass.dispatches);
        dispatches.flat_map(|d| d.buffers[d.kernel.bindings().0..].iter().map(|id| id.0)).collect()
    };
    let (forward, backward) = (written("forward"), written("backward"));
    assert!(!forward.is_empty() && !backward.is_empty());
    assert!(forward.iter().all(|id| !backward.contains(id)));
}

#[test]
fn every_time_step_is_taken_once_in_its_direction() {
    let plan = Plan::new(&Config::gru(5).bidirectional().input_size(3), 300, 2, &Limits::default()).unwrap();
    for way in ["forward", "backward"] {
        let passes = plan.passes().filter(|pass| pass.label.ends_with(way));
        let times =
            passes.flat_map(|pass| &pass.dispatches).flat_map(|d| d.times.unwrap().iter().map(|(t, _)| t));
        let times: Vec<u32> = times.collect();
        let expected: Vec<u32> = if way == "forward" { (0..300).collect() } else { (0..300).rev().collect() };
        assert_eq!(times, expected);
    }
}

#[test]
fn copies_stay_within_their_buffers() {
    for cell in Cell::ALL {
        let config = Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
        let plan = Plan::new(&config, 5, 3, &Limits::default()).unwrap();
        for copy in plan.uploads.iter().chain(&plan.downloads) {
            assert!(copy.from_offset + copy.len <= plan.buffers[copy.from.0].len);
            assert!(copy.to_offset + copy.len <= plan.buffers[copy.to.0].len);
        }
        // Together they fill the staging buffers.
        let len = |content| plan.buffers.iter().find(|buffer| buffer.content == content).unwrap().len;
        assert_eq!(plan.uploads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Upload));
        assert_eq!(plan.downloads.iter().map(|copy| copy.len).sum::<u64>(), len(Content::Download));
    }
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
