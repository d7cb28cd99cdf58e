//! The ways that an input reaches a call.

use crate::common::case;
use crate::engines::{Outcome, Trials, block_on};
use crate::{add_all, primes, run};
use ndarray::{Array3, Axis, ShapeBuilder, concatenate, s};
use wgpu_rnn::{Call, Cell, Engine, Layout, Packed, Rnn, State};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        false,
        &[
            ("any_strides_will_do", any_strides),
            ("packed_sequences_are_padded_ones", packed_sequences),
            ("async_equals_blocking", async_equals_blocking),
        ],
    );
}

fn any_strides(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 18);
    let answer = run(engine, &case)?;
    let rnn = Rnn::new(engine, case.weights.clone());
    // Axes in another order, every second number, and backwards, and all of it seen as it was.
    let mut strange = Array3::<f32>::zeros((14, 5, 6));
    let mut as_was = strange.slice_mut(s![..;-2, .., ..;2]).permuted_axes([1, 2, 0]);
    as_was.assign(&case.input);
    let turned = |array: &Array3<f32>| {
        let mut turned = Array3::zeros(array.dim().f());
        turned.assign(array);
        turned
    };
    let state =
        case.state.as_ref().map(|state| State { h: turned(&state.h), c: state.c.as_ref().map(turned) });
    let ours = rnn.forward(&as_was.view(), state.as_ref())?;
    if ours != answer { Err("the strides of the input change the answer".into()) } else { Ok(()) }
}

fn packed_sequences(engine: &Engine) -> Outcome {
    for layout in [Layout::Tnc, Layout::Ntc] {
        let mut case = case(&primes(Cell::Lstm), 4, 3, 19);
        let (sizes, lengths) = (vec![3, 2, 2, 1], vec![4, 3, 1]);
        let rows = |array: &Array3<f32>| {
            let steps = array.outer_iter().zip(&sizes);
            let steps: Vec<_> = steps.map(|(step, &size)| step.slice_move(s![..size, ..])).collect();
            concatenate(Axis(0), &steps).unwrap()
        };
        let packed = Packed { data: rows(&case.input), batch_sizes: sizes.clone() };
        case.lengths = Some(lengths);
        let padded = run(engine, &case)?;
        let weights = case.weights.clone().layout(layout);
        let answer = Rnn::new(engine, weights).call(&Call::packed(&packed).state(case.state.as_ref()))?;
        let ours = answer.packed.as_ref().ok_or("no packed output")?;
        if ours.data != rows(&padded.output) || ours.batch_sizes != sizes || answer.state() != padded.state()
        {
            return Err(format!("{layout:?}: packed sequences give something else than padded ones").into());
        }
    }
    Ok(())
}

fn async_equals_blocking(engine: &Engine) -> Outcome {
    fn assert_send<T: Send>(value: T) -> T {
        value
    }
    let case = case(&primes(Cell::Gru), 5, 3, 10);
    let blocking = run(engine, &case)?;
    let rnn = Rnn::new(engine, case.weights.clone());
    drop(rnn.forward_async(&case.input, None)); // never polled
    let call = case.call();
    let answer = block_on(assert_send(rnn.call_async(&call)))?;
    if answer == blocking { Ok(()) } else { Err("async and blocking differ".into()) }
}
