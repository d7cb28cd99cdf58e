//! The ways that an input reaches a call.

use crate::common::case;
use crate::engines::{Outcome, Trials, block_on};
use crate::{add_all, primes, run};
use ndarray::{Array3, Axis, ShapeBuilder, concatenate, s};
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use wgpu_rnn::{Call, Cell, Engine, Layout, Packed, Rnn, State};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        false,
        &[
            ("any_strides_will_do", any_strides),
            ("packed_sequences_are_padded_ones", packed_sequences),
            ("async_equals_blocking", async_equals_blocking),
            ("calls_that_are_dropped_change_nothing", dropped_calls),
            ("calls_at_once_are_as_calls_in_turn", calls_at_once),
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

/// Calls that are dropped wherever they wait: for an error of the GPU, for the numbers. The next call has
/// what they had.
fn dropped_calls(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Lstm), 5, 3, 27);
    let expected = run(engine, &case)?;
    let other = case.input.mapv(|number| 1.0 - number);
    for new in [true, false] {
        let rnn = Rnn::new(engine, case.weights.clone());
        if !new {
            rnn.call(&case.call())?;
        }
        let mut is_done = false;
        for polls in 1.. {
            let mut call = pin!(rnn.forward_async(&other, case.state.as_ref()));
            let mut polled = 0;
            is_done = block_on(poll_fn(|context| {
                polled += 1;
                match call.as_mut().poll(context) {
                    Poll::Ready(answer) => Poll::Ready(answer.map(|_| true)),
                    Poll::Pending if polled == polls => Poll::Ready(Ok(false)),
                    Poll::Pending => Poll::Pending,
                }
            }))?;
            if is_done || polls == 200 {
                break;
            }
        }
        if !is_done {
            return Err("a call waits two hundred times".into());
        }
        if rnn.call(&case.call())? != expected {
            return Err("calls that were dropped change the answer".into());
        }
    }
    Ok(())
}

/// Several calls of one network, of equal and of other sizes, that wait together.
fn calls_at_once(engine: &Engine) -> Outcome {
    let case = case(&primes(Cell::Gru), 5, 3, 28);
    let rnn = Rnn::new(engine, case.weights.clone());
    let parts: Vec<_> = [5, 2, 5, 3, 5].iter().map(|&end| case.input.slice(s![..end, .., ..])).collect();
    let parts: Vec<_> = parts.iter().zip(1_u8..).map(|(part, by)| part / f32::from(by)).collect();
    let mut calls: Vec<_> = parts.iter().map(|part| Box::pin(rnn.forward_async(part, None))).collect();
    let mut answers: Vec<_> = parts.iter().map(|_| None).collect();
    block_on(poll_fn(|context| {
        for (call, answer) in calls.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            if let Poll::Ready(ready) = call.as_mut().poll(context) {
                *answer = Some(ready);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    }));
    for (part, answer) in parts.iter().zip(answers) {
        if rnn.forward(part, None)? != answer.ok_or("no answer")?? {
            return Err("calls at once give something else than calls in turn".into());
        }
    }
    Ok(())
}
