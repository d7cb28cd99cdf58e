//! The plan as text. `UPDATE_EXPECT=1 cargo test --test plan` rewrites the texts.

use expect_test::{Expect, expect};
use wgpu_rnn::{Config, Dtype, Limits, Plan};

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
              slot 0 c                           16
              slot 2 h                          384
              slot 2 output                    1920
              slot 2 c                           16
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
              all                             51680
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes    est. us bound by
              upload           copy                      5                                     1248
              layer 0 input    gemm/4k32                 1          3x4x1        23040         9312        3.1 dispatch
              layer 0 both     gru sequence/1r           1          1x3x2        30420        37320        5.5 latency
              layer 1 input    gemm/4k32                 1          3x4x1        46080        12864        3.1 dispatch
                               gemm/4k32                 1          3x4x1        46080        12864        3.1 dispatch
              layer 1 both     gru sequence/1r           1          1x3x2        30420        37320        5.5 latency
              download         copy                      6                                     2688
            all: 1 submits, 4 passes, 5 dispatches, 176040 FLOP, 20.3 us estimated
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
            submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes    est. us bound by
              upload           copy                      3                                     9728
              layer 0 input    gemm/8k                   1         1x75x1       153600        86912        4.5 memory
              layer 0 forward  lstm sequence/1r          1          1x2x1       262144       393216      163.7 latency
            submit 1           kernel/rows      dispatches     workgroups         FLOP        bytes    est. us bound by
              layer 0 forward  lstm sequence/1r          1          1x2x1        45056        67584       30.0 latency
              download         copy                      3                                    19328
            all: 2 submits, 3 passes, 3 dispatches, 460800 FLOP, 198.1 us estimated
        "#]],
    );
}

/// One dispatch per tensor; several buffers of parameters where one buffer cannot hold them.
#[test]
fn weights_are_packed_by_a_plan_of_their_own() {
    let config = Config::gru(13).num_layers(2).bidirectional().input_size(7);
    let plan = Plan::packing(&config, Dtype::F32, &Limits::default()).unwrap();
    let expected = expect![[r#"
        weights of gru bidirectional, 2 layers, I 7, H 13 as f32
        buffer                            bytes
          parameters                      20896  parameters
          layer 0 weight_ih                4096  weights
          layer 0 bias_ih                   512  weights
          layer 0 weight_hh                6144  weights
          layer 0 bias_hh                  1536  weights
          layer 1 weight_ih               16384  weights
          layer 1 bias_ih                   512  weights
          layer 1 weight_hh                6144  weights
          layer 1 bias_hh                  1536  weights
          all                             57760
        submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes    est. us bound by
          layer 0 pack     pack                      1          1x5x1            0         2340        2.5 dispatch
                           pack                      1          1x5x1            0         2340        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1         1x10x1            0         4524        2.5 dispatch
                           pack                      1         1x10x1            0         4524        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
          layer 1 pack     pack                      1         1x10x1            0         9048        2.6 dispatch
                           pack                      1         1x10x1            0         9048        2.6 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1         1x10x1            0         4524        2.5 dispatch
                           pack                      1         1x10x1            0         4524        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
                           pack                      1          1x1x1            0          312        2.5 dispatch
        all: 1 submits, 2 passes, 16 dispatches, 0 FLOP, 39.9 us estimated
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
        submit 0           kernel/rows      dispatches     workgroups         FLOP        bytes    est. us bound by
          layer 0 pack     pack                      1         1x52x1            0        16016        2.5 dispatch
                           pack                      1          1x1x1            0          416        2.5 dispatch
                           pack                      1         1x13x1            0         6032        2.5 dispatch
                           pack                      1          1x1x1            0          416        2.5 dispatch
        all: 1 submits, 1 passes, 4 dispatches, 0 FLOP, 10.0 us estimated
    "#]];
    expected.assert_eq(&plan.to_string());
}
