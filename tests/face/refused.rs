//! The settings that an engine refuses, and the errors of a device that cannot or is lost.

use super::{expect, refused, stacked, unsupported};
use crate::common::{self, F32, HALF, case, difference_of_outputs, reference};
use crate::engines::{Outcome, own_device};
use ndarray::{Array2, Array3};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Dtype, Engine, Error, Init, Naming, Rnn, Schedule, State, Streams,
    Tuning, Weights, inspect,
};

/// An LSTM of one unit, with numbers that f16 cannot hold where they are asked for.
pub fn out_of_range(engine: &Engine) -> Outcome {
    if !engine.limits().is_some_and(|limits| limits.f16) {
        println!("the adapter has no SHADER_F16: nothing is tested");
        return Ok(());
    }
    let case = case(&stacked(), 5, 3, 47);
    let half = || Rnn::new(engine, case.weights.clone()).with_dtype(Dtype::F16);
    let is = |wanted: &str, number: f32| {
        let wanted = wanted.to_owned();
        move |error: &Error| matches!(error, Error::OutOfRange { name, found } if *name == wanted && *found == number)
    };
    // 65,504 is the largest one; what is nearer to it than to 65,536 becomes it.
    for good in [65_504.0, -65_519.0, f32::INFINITY, f32::NAN] {
        let mut input = case.input.clone();
        input[[4, 2, 6]] = good;
        half()?.forward(&input, None)?;
    }
    for bad in [65_520.0, -65_520.0, 1e30] {
        let mut input = case.input.clone();
        input[[4, 2, 6]] = bad;
        let rnn = half()?;
        refused("input", rnn.forward(&input, None), is("input", bad))?;
        // A refused input leaves the network as it was.
        difference_of_outputs(&rnn.call(&case.call())?, &reference(&case), HALF)?;
        let mut state = case.state.clone().ok_or("a state")?;
        state.h[[3, 2, 12]] = bad;
        refused("state", rnn.forward(&case.input, Some(&state)), is("h_0", bad))?;
        // Cell states are f32.
        let mut state = case.state.clone().ok_or("a state")?;
        state.c.iter_mut().for_each(|c| c[[0, 0, 0]] = bad);
        rnn.forward(&case.input, Some(&state))?;
        for tensor in ["weight_hh_l1_reverse", "weight_ih_l0"] {
            let tensors = case.weights.tensors(Naming::PyTorch).map(|(name, values)| {
                let mut values = values.to_owned();
                if name == tensor {
                    values[[51, 6]] = bad;
                }
                (name, values)
            });
            let weights = Weights::reader().from_tensors(tensors)?;
            let rnn = Rnn::new(engine, weights).with_dtype(Dtype::F16)?;
            refused(tensor, rnn.forward(&case.input, None), is(tensor, bad))?;
            rnn.with_dtype(Dtype::F32)?.forward(&case.input, None)?;
        }
        // Numbers past a sequence's end are no part of the call.
        let mut input = case.input.clone();
        input[[3, 1, 2]] = bad;
        let call = Call::new(&input).state(case.state.as_ref());
        half()?.call(&call.clone().lengths(&[5, 3, 4]))?;
        refused("input", half()?.call(&call.lengths(&[5, 4, 4])), is("input", bad))?;
        // The input's gates begin as their bias.
        let tensors = case.weights.tensors(Naming::PyTorch).map(|(name, values)| {
            let factor = if name == "bias_ih_l1" { bad } else { 1.0 };
            (name, values.mapv(|value| factor * value.signum()))
        });
        let weights = Weights::reader().from_tensors(tensors)?;
        let rnn = Rnn::new(engine, weights).with_dtype(Dtype::F16)?;
        let is_bias = |error: &Error| matches!(error, Error::OutOfRange { name, .. } if name == "bias_ih_l1");
        refused("bias_ih_l1", rnn.forward(&case.input, None), is_bias)?;
        // A stream whose steps are refused leaves the others as they were.
        let gru = common::case(&Config::gru(5).input_size(7), 1, 1, 53);
        let mut streams = Streams::new(Rnn::new(engine, gru.weights).with_dtype(Dtype::F16)?, 2)?;
        let (one, other) = (streams.join()?, streams.join()?);
        let (good, wrong) = (Array2::from_elem((1, 7), 0.5), Array2::from_elem((1, 7), bad));
        refused("steps", streams.call(&[(one, wrong.view()), (other, good.view())]), is("input", bad))?;
        streams.call(&[(other, good.view())])?;
        // A state that is refused leaves the one before.
        let gru = common::case(&Config::gru(5).num_layers(2).input_size(7), 1, 1, 48);
        let mut streams = Streams::new(Rnn::new(engine, gru.weights).with_dtype(Dtype::F16)?, 1)?;
        let stream = streams.join()?;
        let mut h = Array3::from_elem((2, 1, 5), 0.5);
        streams.load(stream, &State::new(h.clone()))?;
        let before = streams.save(stream)?;
        (h[[0, 0, 0]], h[[1, 0, 4]]) = (0.25, bad);
        refused("load", streams.load(stream, &State::new(h)), is("h_0", bad))?;
        expect("a stream's state", streams.save(stream)?, before)?;
    }
    Ok(())
}

/// The objects of a shape stay, also after a call of it that is refused.
pub fn refused_calls_keep_objects(_: &Engine) -> Outcome {
    // Other tests make objects on the shared engine meanwhile.
    let engine = Engine::builder().build()?;
    if !engine.limits().is_some_and(|limits| limits.f16) {
        println!("the adapter has no SHADER_F16: nothing is tested");
        return Ok(());
    }
    let case = case(&stacked(), 5, 3, 54);
    let rnn = Rnn::new(&engine, case.weights.clone()).with_dtype(Dtype::F16)?;
    let call = || rnn.call(&case.call()).map(|_| inspect::objects_made(&engine));
    let made = call()?;
    let wrong = case.input.mapv(|number| 1e6 * number.signum());
    refused("input", rnn.forward(&wrong, None), |error| matches!(error, Error::OutOfRange { .. }))?;
    expect("objects made after a refused call", call()?, made)?;
    Ok(())
}

pub fn no_f16(engine: &Engine) -> Outcome {
    let weights = case(&stacked(), 1, 1, 49).weights;
    refused("f16", Rnn::new(engine, weights).with_dtype(Dtype::F16), unsupported("dtype"))?;
    Ok(())
}

pub fn only_on_a_gpu(cpu: &Engine) -> Outcome {
    for engine in [cpu.clone(), Engine::reference()] {
        let case = case(&stacked(), 2, 3, 50);
        let rnn = || Rnn::new(&engine, case.weights.clone());
        refused("f16", rnn().with_dtype(Dtype::F16), unsupported("dtype"))?;
        let lazy = Rnn::lazy(&engine, &Config::gru(3), Init::gluon())?;
        refused("f16, before weights are drawn", lazy.with_dtype(Dtype::F16), unsupported("dtype"))?;
        refused("a schedule", rnn().with_tuning(Schedule::Stepwise), unsupported("tuning"))?;
        let tile = Tuning { step: Some("4".parse()?), ..Tuning::default() };
        refused("a tile", rnn().with_tuning(tile), unsupported("tuning"))?;
        refused("a plan", rnn().plan(2, 3), unsupported("plan"))?;
        refused("times", rnn().call(&case.call().timed()), unsupported("timed"))?;
        let plain = rnn().with_dtype(Dtype::F32)?.with_tuning(Tuning::default())?;
        expect("what changes nothing", plain.call(&case.call())?, rnn().call(&case.call())?)?;
    }
    Ok(())
}

/// A device with the feature, and fewer bytes than a step index has.
pub fn no_room_for_immediates(_: &Engine) -> Outcome {
    for bytes in [0, 8] {
        let limits = wgpu::Limits { max_immediate_size: bytes, ..Default::default() };
        let (device, queue) = own_device(limits, wgpu::Features::IMMEDIATES)?;
        if !device.features().contains(wgpu::Features::IMMEDIATES) {
            println!("the adapter has no IMMEDIATES: nothing is tested");
            return Ok(());
        }
        expect("bytes of immediate data", device.limits().max_immediate_size, bytes)?;
        let engine = Engine::from_device(device, queue);
        for cell in Cell::ALL.into_iter().chain([Cell::Vanilla(Activation::Softsign)]) {
            let case = case(&Config::new(cell, 13).bidirectional().input_size(7), 5, 3, 51);
            for schedule in Schedule::ALL {
                let rnn = Rnn::new(&engine, case.weights.clone()).with_tuning(schedule)?;
                difference_of_outputs(&rnn.call(&case.call())?, &reference(&case), F32)?;
            }
        }
    }
    Ok(())
}

pub fn lost_streams(_: &Engine) -> Outcome {
    // Devices: the caller's, whose loss the library is not told of, and the library's own.
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    for engine in [Engine::from_device(device, queue), Engine::builder().build()?] {
        let weights = case(&Config::lstm(5).input_size(3), 1, 1, 52).weights;
        let mut streams = Streams::new(Rnn::new(&engine, weights), 3)?;
        let stream = streams.join()?;
        let step = Array2::zeros((1, 3));
        streams.call(&[(stream, step.view())])?;
        let saved = streams.save(stream)?;
        engine.device().ok_or("no device")?.destroy();
        let is_lost = |error: &Error| matches!(error, Error::DeviceLost(_));
        for _ in 0..2 {
            refused("join", streams.join(), is_lost)?;
            refused("reset", streams.reset(stream), is_lost)?;
            refused("load", streams.load(stream, &saved), is_lost)?;
            refused("save", streams.save(stream), is_lost)?;
            refused("call", streams.call(&[(stream, step.view())]), is_lost)?;
        }
        expect("streams", streams.len(), 1)?;
    }
    Ok(())
}
