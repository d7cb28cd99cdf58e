//! Calls into a caller's encoder: errors come before anything is recorded, and the steady state makes no
//! object. `options/` compares the results with the reference, for every option.

use crate::Test;
use crate::common::{Case, case};
use crate::device::{objects, own_engine};
use crate::encoded::{self, CONTIGUOUS, Lie, buffer};
use crate::engines::{Offer, Outcome, Trials, own_device, two_devices};
use wgpu::BufferUsages as Usage;
use wgpu_rnn::{BufferArray, Buffers, Call, Cell, Config, Dtype, Engine, Error, Rnn, Schedule};

pub fn add(trials: &mut Trials) {
    let tests: [(&str, Test); 8] = [
        ("encode::buffers_of_another_device_are_refused", foreign),
        ("encode::misuse_is_told_before_anything_is_recorded", misuse),
        ("encode::same_buffers_make_no_object", steady_state),
        ("encode::a_recorded_call_outlives_its_network", outlives),
        ("encode::arrays_lie_anywhere", anywhere),
        ("encode::several_models_in_one_encoder", several_models),
        ("encode::larger_than_a_binding", larger_than_a_binding),
        ("encode::state_goes_on_in_its_place", state_in_place),
    ];
    for offer in [Offer::All, Offer::WebGpuDefaults] {
        for (name, test) in tests {
            trials.add(offer, name, test);
        }
    }
}

fn network(seed: u32) -> Case {
    case(&Config::lstm(13).bidirectional().num_layers(2).input_size(7), 5, 3, seed)
}

fn misuse(engine: &Engine) -> Outcome {
    let case = network(40);
    let rnn = Rnn::new(engine, case.weights.clone());
    let (input_bytes, output_bytes) = (4 * 5 * 3 * 7, 4 * 5 * 3 * 26);
    let needs = rnn.buffer_needs(5, 3)?;
    let of = |name: &str| needs.iter().find(|need| need.name == name).map(|need| (need.bytes, need.usage));
    if of("input") != Some((input_bytes, Usage::STORAGE))
        || of("output") != Some((output_bytes, Usage::STORAGE))
    {
        return Err(format!("the needs are {needs:?}").into());
    }
    let input = buffer(engine, input_bytes, Usage::STORAGE);
    let output = buffer(engine, output_bytes, Usage::STORAGE);
    let small = buffer(engine, output_bytes - 4, Usage::STORAGE);
    let useless = buffer(engine, output_bytes, Usage::VERTEX);
    let large = buffer(engine, 1 << 16, Usage::STORAGE);
    let state = buffer(engine, 4 * 4 * 3 * 13, Usage::STORAGE);
    let plain = || Buffers::new(5, 3, BufferArray::new(&input));
    let refuses = |buffers: Buffers<'_>, expected: &str| -> Outcome {
        let device = engine.device().ok_or("no GPU")?;
        let mut encoder = device.create_command_encoder(&Default::default());
        let error = match rnn.encode(&mut encoder, &buffers) {
            Ok(()) => return Err(format!("expected {expected:?}, found none").into()),
            Err(error) => error.to_string(),
        };
        // The encoder is whole: it can be submitted.
        engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);
        if error.starts_with(expected) {
            Ok(())
        } else {
            Err(format!("expected {expected:?}, found {error:?}").into())
        }
    };
    let at = |buffer| BufferArray::new(buffer);
    refuses(plain().output(at(&small)), "output: expected a buffer of at least 1560 bytes, found 1556")?;
    refuses(
        plain().output(at(&output).offset(4)),
        "output: expected a buffer of at least 1564 bytes, found 1560",
    )?;
    refuses(plain().output(at(&output).offset(6)), "output: expected an offset in 4s of bytes, found 6")?;
    refuses(
        plain().output(at(&output).strides(78, 25)),
        "output: expected strides of at least 26, found [78, 25]",
    )?;
    refuses(
        plain().output(at(&useless)),
        "output: expected usage BufferUsages(STORAGE), found BufferUsages(",
    )?;
    let absurd = at(&input).strides(u64::MAX / 2, u64::MAX / 3).offset(u64::MAX - 3);
    refuses(
        Buffers::new(5, 3, absurd),
        "input: expected a buffer of at least 18446744073709551615 bytes, found 420",
    )?;
    refuses(plain().lengths(&useless, 1557), "lengths: expected an offset in 4s of bytes, found 1557")?;
    refuses(plain().h_0(at(&state)), "c_0: expected an array beside h_0, found none")?;
    refuses(
        plain().output_reverse(at(&output)),
        "output_reverse: expected none, for this network, found an array",
    )?;
    refuses(
        plain().output(at(&large).strides(26, 26)),
        "output: expected strides that keep its rows apart, found [26, 26]",
    )?;
    let both = plain().output(at(&large)).h_n(at(&large).offset(1556));
    refuses(both, "output: expected a place apart from h_n, found the same one")?;
    refuses(Buffers::new(5, 0, at(&input)), "N: expected at least 1, found 0")?;
    if !engine.limits().is_some_and(|limits| limits.f16) {
        let half = at(&output).dtype(Dtype::F16);
        refuses(plain().output(half), "output: expected f32, on a device without SHADER_F16, found f16")?;
    }
    let open = Rnn::lazy(engine, &Config::gru(5), wgpu_rnn::Init::pytorch())?;
    let mut encoder = engine.device().ok_or("no GPU")?.create_command_encoder(&Default::default());
    match open.encode(&mut encoder, &plain()) {
        Err(Error::InputSizeOpen) => {}
        other => return Err(format!("with an open input size: {other:?}").into()),
    }
    let on_cpu = Rnn::new(&Engine::cpu(), case.weights.clone());
    let mut encoder = engine.device().ok_or("no GPU")?.create_command_encoder(&Default::default());
    match on_cpu.encode(&mut encoder, &plain()) {
        Err(Error::Unsupported { name: "encode", .. }) => {}
        other => return Err(format!("on the CPU: {other:?}").into()),
    }
    // After all of that it works.
    let host = Rnn::new(engine, case.weights.clone()).call(&case.call())?;
    encoded::equals(engine, &rnn, &case, CONTIGUOUS, &host)
}

/// Buffers of another device of the same instance; between instances wgpu knows no difference.
fn foreign(_: &Engine) -> Outcome {
    let [own, other] = two_devices()?.map(|(device, queue)| Engine::from_device(device, queue));
    let case = network(47);
    let rnn = Rnn::new(&own, case.weights.clone());
    let make = |engine: &Engine| {
        let [input, output] =
            [4 * 5 * 3 * 7, 4 * 5 * 3 * 26].map(|bytes| buffer(engine, bytes, Usage::STORAGE));
        (input, output, buffer(engine, 12, Usage::COPY_SRC))
    };
    let ((input, output, lengths), (their_input, their_output, their_lengths)) = (make(&own), make(&other));
    let at = |buffer| BufferArray::new(buffer);
    for (which, buffers) in [
        ("input", Buffers::new(5, 3, at(&their_input)).output(at(&output)).lengths(&lengths, 0)),
        ("output", Buffers::new(5, 3, at(&input)).output(at(&their_output)).lengths(&lengths, 0)),
        ("lengths", Buffers::new(5, 3, at(&input)).output(at(&output)).lengths(&their_lengths, 0)),
    ] {
        let mut encoder = own.device().ok_or("no GPU")?.create_command_encoder(&Default::default());
        match rnn.encode(&mut encoder, &buffers) {
            Err(Error::Gpu(text)) if !text.contains('\n') => {}
            other => return Err(format!("{which} of another device: {other:?}").into()),
        }
        // The encoder is whole: it can be submitted.
        own.queue().ok_or("no GPU")?.submit([encoder.finish()]);
    }
    Ok(())
}

/// Rounds of calls, each of which makes none. A leak now and then is in one of them.
fn steady_state(engine: &Engine) -> Outcome {
    let engine = own_engine(engine)?;
    for schedule in Schedule::ALL {
        let case = network(41);
        let rnn = Rnn::new(&engine, case.weights.clone()).with_tuning(schedule)?;
        let make = || {
            let input = buffer(&engine, 4 * 5 * 3 * 7, Usage::STORAGE);
            (input, buffer(&engine, 4 * 5 * 3 * 26, Usage::STORAGE))
        };
        let sets = [make(), make()];
        let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
        let encode = |count: usize| -> Outcome {
            for index in 0..count {
                let (input, output) = &sets[index % 2];
                let mut encoder = device.create_command_encoder(&Default::default());
                let buffers = Buffers::new(5, 3, BufferArray::new(input)).output(BufferArray::new(output));
                rnn.encode(&mut encoder, &buffers)?;
                queue.submit([encoder.finish()]);
            }
            device.poll(wgpu::PollType::wait_indefinitely())?;
            Ok(())
        };
        encode(2)?;
        let before = objects(&engine);
        for round in 0..20 {
            encode(20)?;
            if objects(&engine) != before {
                let name = schedule.name();
                return Err(format!("{name}, round {round}: {before:?} became {:?}", objects(&engine)).into());
            }
        }
    }
    Ok(())
}

/// The encoder is submitted after the network and all of its objects are gone.
fn outlives(engine: &Engine) -> Outcome {
    let case = network(48);
    let call = Call::new(&case.input);
    let host = Rnn::new(engine, case.weights.clone()).call(&call)?.output;
    let [input, output] = [4 * 5 * 3 * 7, 4 * 5 * 3 * 26].map(|bytes| buffer(engine, bytes, Usage::STORAGE));
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    let numbers: Vec<f32> = case.input.iter().copied().collect();
    queue.write_buffer(&input, 0, bytemuck::cast_slice(&numbers));
    let mut encoder = device.create_command_encoder(&Default::default());
    let rnn = Rnn::new(engine, case.weights.clone());
    rnn.encode(
        &mut encoder,
        &Buffers::new(5, 3, BufferArray::new(&input)).output(BufferArray::new(&output)),
    )?;
    drop(rnn);
    queue.submit([encoder.finish()]);
    let found: Vec<f32> = bytemuck::pod_collect_to_vec(&encoded::read(engine, &output)?);
    if host.iter().map(|x| x.to_bits()).eq(found.iter().map(|x| x.to_bits())) {
        Ok(())
    } else {
        Err("the output differs from the host's call".into())
    }
}

/// Offsets, gaps between rows, and halves.
fn anywhere(engine: &Engine) -> Outcome {
    for cell in Cell::ALL {
        let case = case(&Config::new(cell, 13).num_layers(2).input_size(7), 5, 3, 42);
        let rnn = Rnn::new(engine, case.weights.clone());
        let host = rnn.call(&case.call())?;
        let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
        for dtype in [Dtype::F32, Dtype::F16] {
            for (offset, gap) in [(0, 0), (4, 0), (260, 1), (1020, 9)] {
                if dtype == Dtype::F32 || has_f16 {
                    let lie = Lie { offset, gap, dtype };
                    encoded::equals(engine, &rnn, &case, lie, &host)
                        .map_err(|failed| format!("{cell:?}, {lie:?}: {failed:?}"))?;
                }
            }
        }
    }
    Ok(())
}

/// The output of one model is the input of another, with no submit in between.
fn several_models(engine: &Engine) -> Outcome {
    let first = case(&Config::gru(8).input_size(7), 5, 3, 43);
    let second = case(&Config::lstm(6).bidirectional().input_size(8), 5, 3, 44);
    let lower = Rnn::new(engine, first.weights.clone());
    let upper = Rnn::new(engine, second.weights.clone());
    let between = lower.forward(&first.input, None)?.output;
    let expected = upper.forward(&between, None)?.output;
    let input = buffer(engine, 4 * 5 * 3 * 7, Usage::STORAGE);
    let middle = buffer(engine, 4 * 5 * 3 * 8, Usage::STORAGE);
    let output = buffer(engine, 4 * 5 * 3 * 12, Usage::STORAGE);
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    queue.write_buffer(&input, 0, bytemuck::cast_slice(first.input.as_slice().ok_or("contiguous")?));
    let mut encoder = device.create_command_encoder(&Default::default());
    let at = |buffer| BufferArray::new(buffer);
    lower.encode(&mut encoder, &Buffers::new(5, 3, at(&input)).output(at(&middle)))?;
    upper.encode(&mut encoder, &Buffers::new(5, 3, at(&middle)).output(at(&output)))?;
    queue.submit([encoder.finish()]);
    let found: Vec<f32> = bytemuck::pod_collect_to_vec(&encoded::read(engine, &output)?);
    if found.iter().eq(expected.iter()) { Ok(()) } else { Err("the second model's output differs".into()) }
}

/// Arrays that a kernel cannot see as a whole are carried in parts; in layout NTC a step is spread over all
/// of one.
fn larger_than_a_binding(_: &Engine) -> Outcome {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 8 << 10, ..Default::default() };
    let (device, queue) = own_device(limits, wgpu::Features::empty())?;
    let engine = Engine::from_device(device, queue);
    for layout in [wgpu_rnn::Layout::Tnc, wgpu_rnn::Layout::Ntc] {
        let case = case(&Config::gru(9).bidirectional().layout(layout).input_size(7), 50, 9, 45);
        let rnn = Rnn::new(&engine, case.weights.clone());
        let host = rnn.call(&case.call())?;
        encoded::equals(&engine, &rnn, &case, Lie { offset: 20, gap: 2, ..CONTIGUOUS }, &host)?;
    }
    Ok(())
}

/// h_n and c_n are written where h_0 and c_0 are read, call after call.
fn state_in_place(engine: &Engine) -> Outcome {
    let case = case(&Config::lstm(13).input_size(7), 6, 3, 46);
    let rnn = Rnn::new(engine, case.weights.clone());
    let expected = rnn.forward(&case.input, None)?.state();
    let input = buffer(engine, 4 * 6 * 3 * 7, Usage::STORAGE);
    let [h, c] = [(); 2].map(|()| buffer(engine, 4 * 3 * 13, Usage::STORAGE));
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    queue.write_buffer(&input, 0, bytemuck::cast_slice(case.input.as_slice().ok_or("contiguous")?));
    let mut encoder = device.create_command_encoder(&Default::default());
    for part in 0..2 {
        let at = |buffer| BufferArray::new(buffer);
        let steps = at(&input).offset(part * 4 * 3 * 3 * 7);
        let buffers = Buffers::new(3, 3, steps).h_0(at(&h)).c_0(at(&c)).h_n(at(&h)).c_n(at(&c));
        rnn.encode(&mut encoder, &buffers)?;
    }
    queue.submit([encoder.finish()]);
    for (found, expected) in [(&h, &expected.h), (&c, expected.c.as_ref().ok_or("an LSTM")?)] {
        let found: Vec<f32> = bytemuck::pod_collect_to_vec(&encoded::read(engine, found)?);
        if !found.iter().eq(expected.iter()) {
            return Err("two halves differ from the whole".into());
        }
    }
    Ok(())
}
