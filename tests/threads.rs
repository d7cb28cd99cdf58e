//! The CPU engine's threads, which change no bit of a result, and its memory.

mod common;

use common::{Case, case};
use rayon::prelude::*;
use wgpu_rnn::{Activation, Cell, Config, Engine, Output, Outputs, Reset, Rnn};

/// The answer to a case, computed by a pool of `threads` threads.
fn with_threads(threads: usize, case: &Case) -> Output {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| Rnn::new(&Engine::cpu(), case.weights.clone()).call(&case.call()).unwrap())
}

#[test]
fn their_number_changes_no_bit() {
    let rows = Config::lstm(96).bidirectional().input_size(40).proj_size(24).num_layers(2);
    let shared = Config::lstm(400).input_size(30);
    let networks = [
        (rows.clone(), 6, 17),
        (rows.layer_norm(), 6, 5),
        (Config::gru(97).bidirectional().gru_reset(Reset::Before).input_size(50), 7, 13),
        (Config::new(Cell::Vanilla(Activation::Tanh), 200).input_size(60), 9, 7),
        // Units that threads share, for few rows.
        (Config::lstm(256).input_size(30), 70, 1),
        (Config::lstm(200).bidirectional().input_size(30).peepholes().cell_clip(-0.5, 0.5), 30, 2),
        (Config::lstm(333).input_size(30).coupled_input_forget().num_layers(2), 9, 1),
        (Config::gru(260).input_size(30), 9, 1),
        (Config::new(Cell::Vanilla(Activation::Relu), 300).input_size(30), 20, 3),
        (Config::lstm(256).input_size(30).layer_norm(), 9, 1),
        // Weights that threads share.
        (shared.clone(), 4, 19),
        (shared.proj_size(390).bidirectional(), 3, 11),
        (Config::gru(420).gru_reset(Reset::Before).input_size(30), 4, 16),
        (Config::lstm(1100).input_size(30), 3, 1),
    ];
    for (index, (config, steps, batch)) in networks.into_iter().enumerate() {
        let mut case = case(&config, steps, batch, index as u32);
        for lengths in [None, Some((0..batch).map(|row| (3 * row + 1) % (steps + 1)).collect())] {
            case.lengths = lengths;
            let alone = with_threads(1, &case);
            for threads in [2, 3, 4, 7] {
                let mut other = with_threads(threads, &case);
                assert!(other.engine.contains(&format!("{threads} threads")), "{}", other.engine);
                other.engine = alone.engine.clone();
                assert!(other == alone, "{threads} threads, {config:?}");
            }
        }
    }
}

#[test]
fn calls_at_once_change_no_bit() {
    let case = case(&Config::lstm(200).input_size(30).num_layers(2), 40, 1, 9);
    let alone = with_threads(1, &case);
    let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    // Calls by threads of the pool, which lead teams and join others' teams, and by threads outside.
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                pool.install(|| {
                    (0..40).into_par_iter().for_each(|_| {
                        assert_eq!(rnn.call(&case.call()).unwrap().output, alone.output);
                    });
                });
            });
            scope.spawn(|| {
                (0..40).for_each(|_| assert_eq!(rnn.call(&case.call()).unwrap().output, alone.output))
            });
        }
    });
}

#[test]
fn a_call_allocates_what_it_returns_and_nothing_a_step() {
    let lstm = Config::lstm(13).num_layers(3).bidirectional().input_size(7);
    let all = Outputs::default();
    let (mut cell_states, mut last_only) = (all, all);
    (cell_states.cell_states, last_only.last_only) = (true, true);
    let networks = [
        (lstm.clone(), all, 3),
        (lstm.clone().layer_norm().residual().cell_clip(-0.5, 0.5), all, 3),
        (lstm.clone().proj_size(5), cell_states, 4),
        (lstm.merge(wgpu_rnn::Merge::Sum).peepholes(), last_only, 3),
        (Config::gru(13).gru_reset(Reset::Before).input_size(7).layout(wgpu_rnn::Layout::Ntc), all, 2),
    ];
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for (config, outputs, results) in networks {
        for steps in [100, 1, 100] {
            let mut case = case(&config, steps, 3, 1);
            (case.state, case.outputs) = (None, outputs);
            let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
            // On one thread: it is this thread's that are counted, and rayon's queue grows now and then.
            alone.install(|| {
                let first = rnn.call(&case.call()).unwrap();
                let mut second = None;
                let call = || second = Some(rnn.call(&case.call()).unwrap());
                let counted = allocation_counter::measure(call);
                assert_eq!(second.unwrap(), first);
                assert_eq!(counted.count_total, results, "T {steps}, {config:?}");
            });
        }
    }
}
