//! What must hold of every gradient: rows for themselves, the same bits twice and on any threads, and errors
//! for saved calls that do not belong.

use crate::common::gradients::Given;
use crate::common::{Case, case};
use ndarray::{Array3, Axis, s};
use wgpu_rnn::{
    Call, CallGradients, Cell, Config, Dropout, Engine, Error, Init, OutputGradients, Rnn, Saved, State,
    Weights,
};

fn networks() -> Vec<Config> {
    let stacked = |cell| Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
    let lstm = stacked(Cell::Lstm);
    let more =
        [lstm.clone().layer_norm(), lstm.peepholes(), stacked(Cell::Gru).gru_reset(wgpu_rnn::Reset::Before)];
    Cell::ALL.map(stacked).into_iter().chain(more).collect()
}

fn gradients(case: &Case, given: &Given) -> CallGradients {
    let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
    let (_, mut saved) = rnn.forward_saved(&case.call()).unwrap();
    rnn.backward(&mut saved, &given.gradients()).unwrap()
}

fn given(case: &Case, seed: u32) -> Given {
    let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
    Given::drawn(&rnn.call(&case.call()).unwrap(), seed)
}

fn state_rows(state: &State, rows: std::ops::Range<usize>) -> State {
    let part = |array: &Array3<f32>| array.slice(s![.., rows.clone(), ..]).to_owned();
    State { h: part(&state.h), c: state.c.as_ref().map(part) }
}

/// A row's gradients are the same, to the bit, alone and without padding.
#[test]
fn rows_are_independent() {
    for config in networks() {
        let mut all = case(&config, 6, 3, 61);
        all.lengths = Some(vec![4, 6, 0]);
        let of_all = given(&all, 62);
        let ours = gradients(&all, &of_all);
        let mut alone = all.clone();
        alone.input = all.input.slice(s![..4, ..1, ..]).to_owned();
        alone.state = all.state.as_ref().map(|state| state_rows(state, 0..1));
        alone.lengths = None;
        let theirs = gradients(&alone, &of_all.part(4, 0..1));
        assert_eq!(ours.input.slice(s![..4, ..1, ..]), theirs.input, "{config:?}");
        assert!(ours.input.slice(s![4.., 0, ..]).iter().all(|&past| past == 0.0));
        assert_eq!(state_rows(&ours.state, 0..1), theirs.state, "{config:?}");
        // A sequence without steps passes the gradients by its final states on.
        assert_eq!(state_rows(&ours.state, 2..3), of_all.final_state(2..3), "{config:?}");
    }
}

/// A NaN in a row, or past the end of a row, is in no other row's gradients.
#[test]
fn a_nan_stays_in_its_row() {
    for config in networks() {
        let mut all = case(&config, 6, 3, 63);
        all.lengths = Some(vec![4, 6, 5]);
        let of_all = given(&all, 64);
        let without = gradients(&all, &of_all);
        let mut past = all.clone();
        past.input[[5, 0, 2]] = f32::NAN;
        assert_eq!(gradients(&past, &of_all), without, "{config:?}");
        let mut within = all.clone();
        within.input[[2, 1, 3]] = f32::NAN;
        let found = gradients(&within, &of_all);
        for row in [0, 2] {
            let own = |array: &Array3<f32>| array.index_axis(Axis(1), row).to_owned();
            assert_eq!(own(&found.input), own(&without.input), "{config:?}, row {row}");
            assert_eq!(own(&found.state.h), own(&without.state.h), "{config:?}, row {row}");
        }
        assert!(found.weights.as_slice().iter().any(|number| number.is_nan()), "{config:?}");
    }
}

/// The same bits twice, and on one thread and several.
#[test]
fn bits_depend_on_no_thread() {
    let large = Config::lstm(80).bidirectional().input_size(60);
    let one_way = Config::gru(300).input_size(40);
    for (config, steps, batch) in [(large, 30, 19), (one_way, 20, 9)] {
        let case = case(&config, steps, batch, 65);
        let given = given(&case, 66);
        let first = gradients(&case, &given);
        assert_eq!(gradients(&case, &given), first);
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| gradients(&case, &given)), first, "{threads} threads");
        }
    }
}

/// Several saved calls at once, in any order.
#[test]
fn saved_calls_are_independent() {
    let one = case(&networks()[2], 5, 3, 67);
    let rnn = Rnn::new(&Engine::cpu(), one.weights.clone());
    let other = Case { input: one.input.mapv(|number| -number), ..one.clone() };
    let of_both = given(&one, 68);
    let mut saved: Vec<Saved> = [&one, &other].map(|case| rnn.forward_saved(&case.call()).unwrap().1).into();
    for (case, saved) in [&one, &other].into_iter().zip(&mut saved).rev() {
        assert_eq!(rnn.backward(saved, &of_both.gradients()).unwrap(), gradients(case, &of_both));
    }
}

/// A backward pass over more time steps makes no more allocations.
#[test]
fn nothing_is_allocated_per_step() {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for config in networks() {
        let allocations = |steps: usize| {
            let case = case(&config, steps, 2, 76);
            let given = given(&case, 77);
            let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
            let mut count = 0;
            for _ in 0..3 {
                let mut both = None;
                let pass = || {
                    let (_, mut saved) = rnn.forward_saved(&case.call()).unwrap();
                    both = Some(rnn.backward(&mut saved, &given.gradients()).unwrap());
                };
                count = allocation_counter::measure(pass).count_total;
            }
            count
        };
        let [few, many] = alone.install(|| [10, 100].map(allocations));
        assert_eq!(few, many, "{config:?}");
    }
}

/// Memory of earlier saved calls, of other sizes and lengths, changes nothing; freed, it is had again.
#[test]
fn earlier_calls_leave_nothing_behind() {
    for config in networks() {
        let rnn = Rnn::new(&Engine::cpu(), case(&config, 1, 1, 73).weights);
        let of = |steps, batch, lengths: Option<Vec<usize>>| {
            let drawn = case(&config, steps, batch, 74 + steps as u32);
            Case { weights: rnn.weights().unwrap().clone(), lengths, ..drawn }
        };
        for case in [
            of(6, 3, Some(vec![4, 6, 0])),
            of(6, 3, None),
            of(9, 2, Some(vec![1, 5])),
            of(3, 4, Some(vec![3, 0, 2, 1])),
            of(6, 3, Some(vec![0, 2, 6])),
        ] {
            let given = given(&case, 75);
            let (_, mut saved) = rnn.forward_saved(&case.call()).unwrap();
            assert_eq!(rnn.backward(&mut saved, &given.gradients()).unwrap(), gradients(&case, &given));
            if case.lengths.is_none() {
                rnn.free_buffers();
            }
        }
    }
}

#[test]
fn misuse_is_an_error() {
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 69);
    let rnn = Rnn::new(&Engine::cpu(), lstm.weights.clone());
    let saved = || rnn.forward_saved(&lstm.call()).unwrap().1;
    let by_output = Array3::zeros((4, 3, 5));
    let good = || OutputGradients::new().output(&by_output);

    let mut used = saved();
    rnn.backward(&mut used, &good()).unwrap();
    assert!(matches!(rnn.backward(&mut used, &good()), Err(Error::SavedUsed)));
    let another = Rnn::new(&Engine::cpu(), lstm.weights.clone());
    assert!(matches!(another.backward(&mut saved(), &good()), Err(Error::SavedElsewhere)));
    let on_reference = Rnn::new(&Engine::reference(), lstm.weights.clone());
    assert!(matches!(on_reference.backward(&mut saved(), &good()), Err(Error::SavedElsewhere)));
    // A clone is the same network.
    rnn.clone().backward(&mut saved(), &good()).unwrap();

    let (narrow, wide) = (Array3::zeros((4, 3, 4)), Array3::zeros((1, 3, 6)));
    let mut kept = saved();
    for (given, of) in [
        (OutputGradients::new().output(&narrow), "gradient by output"),
        (OutputGradients::new().h_n(&wide), "gradient by h_n"),
        (OutputGradients::new().c_n(&wide), "gradient by c_n"),
    ] {
        let found = rnn.backward(&mut kept, &given);
        assert!(matches!(&found, Err(Error::Shape { name, .. }) if name == of), "{of}: {found:?}");
    }
    for given in [
        OutputGradients::new().output_reverse(&by_output),
        OutputGradients::new().cell_states(&by_output),
        OutputGradients::new().lower(0, &by_output),
    ] {
        let found = rnn.backward(&mut kept, &given);
        assert!(matches!(&found, Err(Error::Argument { name: "gradients", .. })), "{found:?}");
    }
    // Refused gradients leave the saved call as it was.
    rnn.backward(&mut kept, &good()).unwrap();

    // More numbers than any memory has, told before the forward pass.
    let one = Array3::zeros((1, 1, 7));
    let endless = one.broadcast((1 << 40, 1, 7)).unwrap();
    let found = rnn.forward_saved(&Call::new(&endless));
    assert!(
        matches!(&found, Err(Error::Memory { what, .. }) if what == "the numbers of a saved call"),
        "{:?}",
        found.err()
    );

    let gru = case(&Config::gru(5).input_size(7), 4, 3, 70);
    let rnn = Rnn::new(&Engine::cpu(), gru.weights.clone());
    let mut saved = rnn.forward_saved(&gru.call()).unwrap().1;
    let found = rnn.backward(&mut saved, &OutputGradients::new().c_n(&wide));
    assert!(matches!(&found, Err(Error::Argument { name: "gradients", .. })), "{found:?}");
}

/// Wrong dropout is refused before anything is computed.
#[test]
fn dropout_that_cannot_be_is_refused() {
    let (one, two) = (Config::gru(5).input_size(7), Config::gru(5).num_layers(2).input_size(7));
    for (config, p, refused) in [
        (&two, 0.0, false),
        (&two, 1.0, false),
        (&two, 1.5, true),
        (&two, -0.5, true),
        (&two, f32::NAN, true),
        (&one, 0.0, false),
        (&one, 0.5, true),
    ] {
        let case = case(config, 2, 3, 72);
        let rnn = Rnn::new(&Engine::cpu(), case.weights.clone());
        let plain = rnn.call(&case.call()).unwrap();
        match rnn.call(&case.call().dropout(Dropout::new(p))) {
            Err(Error::Argument { name: "dropout", .. }) if refused => {}
            // Nothing is dropped at p = 0.
            Ok(answer) if !refused => assert_eq!(answer == plain, p == 0.0, "p {p}"),
            other => panic!("p {p}: {other:?}"),
        }
    }
}

/// A call whose operations no tape holds is refused before it begins.
#[test]
fn a_tape_has_an_end() {
    let weights = Weights::init(&Config::lstm(1024).input_size(1024), &Init::gluon()).unwrap();
    let rnn = Rnn::new(&Engine::reference(), weights);
    let input = Array3::zeros((100, 32, 1024));
    let found =
        wgpu_rnn::reference::backward(rnn.weights().unwrap(), &Call::new(&input), &OutputGradients::new());
    assert!(matches!(&found, Err(Error::TooLarge { unit: "operations", .. })), "{:?}", found.err());
}
