//! Properties of every gradient: rows for themselves, the same bits twice and on any threads, and errors
//! for saved calls that do not belong.

use crate::common::{Case, case};
use crate::engines::{Offer, Outcome, Trials};
use crate::{given, gradients};
use ndarray::{Array3, Axis, s};
use wgpu_rnn::inspect::{Gives, dispatches_recorded};
use wgpu_rnn::{
    CallGradients, Cell, Config, Engine, Error, Naming, Plan, Rnn, Save, Saved, State, Wanted, Workload,
};

pub fn add(trials: &mut Trials, offer: Offer) {
    trials.add(offer, "rows_are_independent", rows_are_independent);
    trials.add(offer, "a_nan_stays_in_its_row", a_nan_stays_in_its_row);
    trials.add(offer, "the_same_bits_twice", the_same_bits_twice);
    trials.add(offer, "saved_calls_are_independent", saved_calls_are_independent);
    trials.add(offer, "parts_that_are_not_wanted_are_empty", parts_that_are_not_wanted_are_empty);
    trials.add(offer, "earlier_calls_leave_nothing_behind", earlier_calls_leave_nothing_behind);
}

/// Trials on a device of their own, whose objects no other test makes.
pub fn add_of_gpu(trials: &mut Trials) {
    trials.add(Offer::All, "parts_that_are_not_wanted_are_not_dispatched", |_| {
        parts_that_are_not_wanted_are_not_dispatched(&Engine::gpu()?)
    });
    trials
        .add(Offer::All, "a_steady_call_makes_no_object", |_| a_steady_call_makes_no_object(&Engine::gpu()?));
}

/// The tests of the CPU engine alone.
pub fn add_of_cpu(trials: &mut Trials) {
    trials.add(Offer::Cpu, "bits_depend_on_no_thread", bits_depend_on_no_thread);
    trials.add(Offer::Cpu, "nothing_is_allocated_per_step", nothing_is_allocated_per_step);
}

fn networks() -> Vec<Config> {
    let stacked = |cell| Config::new(cell, 13).num_layers(2).bidirectional().input_size(7);
    let lstm = stacked(Cell::Lstm);
    let more =
        [lstm.clone().layer_norm(), lstm.peepholes(), stacked(Cell::Gru).gru_reset(wgpu_rnn::Reset::Before)];
    Cell::ALL.map(stacked).into_iter().chain(more).collect()
}

fn state_rows(state: &State, rows: std::ops::Range<usize>) -> State {
    let part = |array: &Array3<f32>| array.slice(s![.., rows.clone(), ..]).to_owned();
    State { h: part(&state.h), c: state.c.as_ref().map(part) }
}

/// A row's gradients are the same, to the bit, beside other rows and without padding.
fn rows_are_independent(engine: &Engine) -> Outcome {
    for config in networks() {
        let mut padded = case(&config, 6, 3, 61);
        padded.lengths = Some(vec![4, 6, 0]);
        let of_all = given(&padded, 62);
        let ours = gradients(engine, &padded, &of_all)?;
        // The first row with other neighbours, in as many steps as it has.
        let mut other = case(&config, 4, 3, 90);
        other.weights = padded.weights.clone();
        other.input.slice_mut(s![.., 0, ..]).assign(&padded.input.slice(s![..4, 0, ..]));
        if let (Some(state), Some(from)) = (&mut other.state, &padded.state) {
            state.h.slice_mut(s![.., 0, ..]).assign(&from.h.slice(s![.., 0, ..]));
            if let (Some(c), Some(from)) = (&mut state.c, &from.c) {
                c.slice_mut(s![.., 0, ..]).assign(&from.slice(s![.., 0, ..]));
            }
        }
        other.lengths = Some(vec![4, 1, 3]);
        let theirs = gradients(engine, &other, &of_all.part(4, 0..3))?;
        assert_eq!(ours.input.slice(s![..4, 0, ..]), theirs.input.slice(s![.., 0, ..]), "{config:?}");
        assert!(ours.input.slice(s![4.., 0, ..]).iter().all(|&past| past == 0.0));
        assert_eq!(state_rows(&ours.state, 0..1), state_rows(&theirs.state, 0..1), "{config:?}");
        // A sequence without steps passes the gradients by its final states on.
        assert_eq!(state_rows(&ours.state, 2..3), of_all.final_state(2..3), "{config:?}");
    }
    Ok(())
}

/// A NaN in a row, or past the end of a row, is in no other row's gradients.
fn a_nan_stays_in_its_row(engine: &Engine) -> Outcome {
    for config in networks() {
        let mut all = case(&config, 6, 3, 63);
        all.lengths = Some(vec![4, 6, 5]);
        let of_all = given(&all, 64);
        let without = gradients(engine, &all, &of_all)?;
        let mut past = all.clone();
        past.input[[5, 0, 2]] = f32::NAN;
        assert_eq!(gradients(engine, &past, &of_all)?, without, "{config:?}");
        let mut within = all.clone();
        within.input[[2, 1, 3]] = f32::NAN;
        let found = gradients(engine, &within, &of_all)?;
        for row in [0, 2] {
            let own = |array: &Array3<f32>| array.index_axis(Axis(1), row).to_owned();
            assert_eq!(own(&found.input), own(&without.input), "{config:?}, row {row}");
            assert_eq!(own(&found.state.h), own(&without.state.h), "{config:?}, row {row}");
        }
        assert!(found.weights.as_slice().iter().any(|number| number.is_nan()), "{config:?}");
    }
    Ok(())
}

/// The same bits twice, and on one thread and several.
fn bits_depend_on_no_thread(engine: &Engine) -> Outcome {
    let large = Config::lstm(80).bidirectional().input_size(60);
    let one_way = Config::gru(300).input_size(40);
    for (config, steps, batch) in [(large, 30, 19), (one_way, 20, 9)] {
        let case = case(&config, steps, batch, 65);
        let given = given(&case, 66);
        let first = gradients(engine, &case, &given)?;
        assert_eq!(gradients(engine, &case, &given)?, first);
        for threads in [1, 2, 3, 8] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            assert_eq!(pool.install(|| gradients(engine, &case, &given))?, first, "{threads} threads");
        }
    }
    Ok(())
}

/// Several saved calls at once, in any order.
fn saved_calls_are_independent(engine: &Engine) -> Outcome {
    let one = case(&networks()[2], 5, 3, 67);
    let rnn = Rnn::new(engine, one.weights.clone());
    let other = Case { input: one.input.mapv(|number| -number), ..one.clone() };
    let of_both = given(&one, 68);
    let mut saved: Vec<Saved> = [&one, &other].map(|case| rnn.forward_saved(&case.call()).unwrap().1).into();
    for (case, saved) in [&one, &other].into_iter().zip(&mut saved).rev() {
        assert_eq!(rnn.backward(saved, &of_both.gradients()).unwrap(), gradients(engine, case, &of_both)?);
    }
    Ok(())
}

/// A backward pass over more time steps makes no more allocations.
fn nothing_is_allocated_per_step(engine: &Engine) -> Outcome {
    let alone = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for config in networks() {
        let allocations = |steps: usize| {
            let case = case(&config, steps, 2, 76);
            let given = given(&case, 77);
            let rnn = Rnn::new(engine, case.weights.clone());
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
    Ok(())
}

/// Memory of earlier saved calls, of other sizes and lengths, changes nothing; freed, it is had again.
fn earlier_calls_leave_nothing_behind(engine: &Engine) -> Outcome {
    for config in networks() {
        let rnn = Rnn::new(engine, case(&config, 1, 1, 73).weights);
        let of = |steps, batch, lengths: Option<Vec<usize>>| {
            let drawn = case(&config, steps, batch, 74 + steps as u32);
            Case { weights: rnn.weights().unwrap().clone(), lengths, ..drawn }
        };
        for case in [
            of(6, 3, Some(vec![4, 6, 0])),
            // In the buffers of the call before.
            of(6, 3, Some(vec![5, 1, 6])),
            of(6, 3, None),
            of(9, 2, Some(vec![1, 5])),
            of(3, 4, Some(vec![3, 0, 2, 1])),
            of(6, 3, Some(vec![0, 2, 6])),
        ] {
            let given = given(&case, 75);
            let (_, mut saved) = rnn.forward_saved(&case.call()).unwrap();
            assert_eq!(
                rnn.backward(&mut saved, &given.gradients()).unwrap(),
                gradients(engine, &case, &given)?
            );
            if case.lengths.is_none() {
                rnn.free_buffers();
            }
        }
    }
    Ok(())
}

/// A wanted gradient has the same bits beside more or fewer others; one that is not wanted is zero, and sums
/// add up.
fn parts_that_are_not_wanted_are_empty(engine: &Engine) -> Outcome {
    for config in networks() {
        let case = case(&config, 6, 3, 82);
        let (rnn, given) = (Rnn::new(engine, case.weights.clone()), given(&case, 83));
        let of = |wanted: &Wanted| -> Result<CallGradients, Error> {
            let (_, mut saved) = rnn.forward_saved(&case.call())?;
            rnn.backward_of(&mut saved, &given.gradients(), wanted)
        };
        let all = of(&Wanted::all())?;
        let part = of(&Wanted::all().without_input().frozen(0))?;
        // A part that was left out is there again in the next call.
        assert_eq!(of(&Wanted::all())?, all, "{config:?}");
        assert!(part.input.is_empty() && part.state == all.state, "{config:?}");
        for (name, tensor) in part.weights.tensors(Naming::PyTorch) {
            let whole = all.weights.tensor(&name).ok_or("no such tensor")?;
            let is_frozen = name.contains("_l0");
            let is_right = if is_frozen { tensor.iter().all(|&x| x == 0.0) } else { tensor == whole };
            assert!(is_right && (!is_frozen || whole.iter().any(|&x| x != 0.0)), "{config:?}, {name}");
        }
        let mut sum = all.weights.clone();
        sum.add(&all.weights)?;
        let doubled = all.weights.as_slice().iter().map(|x| 2.0 * x);
        assert!(sum.as_slice().iter().copied().eq(doubled), "{config:?}");
    }
    Ok(())
}

/// The dispatches of a backward pass are those of the plan without the passes that nobody wants.
fn parts_that_are_not_wanted_are_not_dispatched(engine: &Engine) -> Outcome {
    let limits = engine.limits().ok_or("no GPU")?;
    for config in networks() {
        let case = case(&config, 6, 3, 84);
        let (rnn, given) = (Rnn::new(engine, case.weights.clone()), given(&case, 85));
        let workload = Workload { saves: Some(Save::Gates), ..Workload::new(6, 3) };
        let plan = Plan::of(&config, &workload, &limits)?;
        let backward = plan.backward.as_ref().ok_or("no backward pass")?;
        let count = |is_left_out: &dyn Fn(Gives) -> bool| -> u64 {
            let passes = backward.submits.iter().flatten();
            passes.filter(|pass| !pass.gives.is_some_and(is_left_out)).map(|pass| pass.count()).sum()
        };
        let all = Wanted::all();
        let of_nothing = all.clone().without_input().frozen(0).frozen(1);
        let mut counts = Vec::new();
        for (wanted, expected) in [
            (all.clone(), count(&|_| false)),
            (all.clone().without_input(), count(&|gives| gives == Gives::Input)),
            (all.frozen(1), count(&|gives| gives == Gives::Weights(1))),
            (of_nothing, count(&|_| true)),
        ] {
            let (_, mut saved) = rnn.forward_saved(&case.call())?;
            let before = dispatches_recorded(engine);
            rnn.backward_of(&mut saved, &given.gradients(), &wanted)?;
            assert_eq!(dispatches_recorded(engine) - before, expected, "{config:?}, {wanted:?}");
            counts.push(expected);
        }
        assert!(counts[1] < counts[0] && counts[3] < counts[2] && counts[2] < counts[1], "{counts:?}");
    }
    Ok(())
}

/// The same bits from the same call.
fn the_same_bits_twice(engine: &Engine) -> Outcome {
    let config = Config::lstm(40).num_layers(2).bidirectional().input_size(30);
    let case = case(&config, 30, 19, 78);
    let given = given(&case, 79);
    let first = gradients(engine, &case, &given)?;
    if gradients(engine, &case, &given)? == first { Ok(()) } else { Err("other bits".into()) }
}

/// Once a call of a shape has been, no further one makes an object.
fn a_steady_call_makes_no_object(engine: &Engine) -> Outcome {
    for config in networks() {
        let case = case(&config, 5, 3, 80);
        let (rnn, given) = (Rnn::new(engine, case.weights.clone()), given(&case, 81));
        let mut made = Vec::new();
        for _ in 0..3 {
            let (_, mut saved) = rnn.forward_saved(&case.call())?;
            rnn.backward(&mut saved, &given.gradients())?;
            made.push(wgpu_rnn::inspect::objects_made(engine));
        }
        if made[0] != made[2] {
            return Err(format!("{config:?}: {made:?} objects").into());
        }
    }
    Ok(())
}
