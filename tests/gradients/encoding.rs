//! Saved calls into a caller's encoder: every option, both savings, the numbers of the host's calls to the bit.

use crate::common::gradients::Given;
use crate::common::options::{OPTIONS, Row, Setup, cells, with};
use crate::common::{Case, case};
use crate::encoded::buffer;
use crate::encoded::{self, CONTIGUOUS, Lie};
use crate::engines::{Offer, Outcome, Trials, own_device};
use libtest_mimic::Failed;
use wgpu::BufferUsages as Usage;
use wgpu_rnn::{
    BufferArray, Buffers, Config, Dropout, Dtype, EncodedSaved, Engine, Error, GradientBuffers, Naming,
    OutputGradients, Rnn, Save, inspect,
};

pub fn add(trials: &mut Trials) {
    let rows = OPTIONS.iter().filter(|row| row.name != "small_bindings");
    for (index, row) in rows.enumerate() {
        for offer in [Offer::All, Offer::WebGpuDefaults] {
            trials.add(offer, &format!("encoded::{}", row.name), move |engine| option(engine, row, index));
        }
    }
    for offer in [Offer::All, Offer::WebGpuDefaults] {
        trials.add(offer, "encoded::arrays_lie_anywhere", anywhere);
        trials.add(offer, "encoded::dropout", dropout);
        trials.add(offer, "encoded::larger_than_a_binding", larger_than_a_binding);
        trials.add(offer, "encoded::a_nan_past_an_end_is_in_no_gradient", nan_past_an_end);
        trials.add(offer, "encoded::gradients_add_up_and_layers_freeze", parts);
        trials.add(offer, "encoded::misuse_is_told_before_anything_is_recorded", misuse);
        trials.add(offer, "encoded::a_steady_call_makes_no_object", steady_state);
    }
}

/// The host's calls of a case, and then the encoded ones.
fn check(
    engine: &Engine,
    rnn: &Rnn,
    case: &Case,
    (lie, save): (Lie, Save),
    dropout: Option<Dropout>,
) -> Outcome {
    let call = case.call();
    let call = if let Some(dropout) = dropout { call.dropout(dropout) } else { call };
    let (host, mut saved) = rnn.forward_saving(&call, save)?;
    let given = Given::drawn(&host, 7);
    let gradients = rnn.backward(&mut saved, &given.gradients())?;
    encoded::saved_equals((engine, rnn), case, (lie, save), &given, (&host, &gradients), dropout)
}

fn option(engine: &Engine, row: &'static Row, index: usize) -> Outcome {
    let with_lengths = OPTIONS.iter().find(|row| row.name == "lengths").ok_or("no such row")?;
    for cell in cells(&[row]) {
        let mut rows = vec![row];
        // Every other cell with lengths too.
        if cell.gates() > 1 && row.name != "lengths" {
            rows.push(with_lengths);
        }
        let setup = with(cell, &rows);
        let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
        if setup.refusal().is_some() || setup.has_nan || (setup.dtype == Dtype::F16 && !has_f16) {
            continue;
        }
        let mut cases = vec![setup.drawn(index as u32)];
        if setup.config.learned_state {
            // A learned state that a call does not start from has no gradient.
            cases.push(Setup { has_state: true, ..setup.clone() }.drawn(index as u32));
        }
        for case in cases {
            let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(setup.dtype)?;
            for save in Save::ALL {
                check(engine, &rnn, &case, (CONTIGUOUS, save), None)
                    .map_err(|failed| format!("{cell}, {}, {save:?}: {failed:?}", row.name))?;
            }
        }
    }
    Ok(())
}

fn network(seed: u32) -> Case {
    let mut case = case(&Config::lstm(13).bidirectional().num_layers(2).input_size(7), 5, 3, seed);
    case.lengths = Some(vec![5, 0, 3]);
    case
}

/// Offsets, gaps between rows, and halves.
fn anywhere(engine: &Engine) -> Outcome {
    let case = network(51);
    let rnn = Rnn::new(engine, case.weights.clone());
    let has_f16 = engine.limits().is_some_and(|limits| limits.f16);
    for dtype in [Dtype::F32, Dtype::F16] {
        for (offset, gap) in [(0, 0), (4, 0), (260, 1), (1020, 9)] {
            if dtype == Dtype::F32 || has_f16 {
                let lie = Lie { offset, gap, dtype };
                check(engine, &rnn, &case, (lie, Save::Gates), None)
                    .map_err(|failed| format!("{lie:?}: {failed:?}"))?;
            }
        }
    }
    Ok(())
}

fn dropout(engine: &Engine) -> Outcome {
    let case = network(52);
    let rnn = Rnn::new(engine, case.weights.clone());
    let dropout = Dropout::new(0.4).seed(3).call(9);
    check(engine, &rnn, &case, (CONTIGUOUS, Save::Gates), Some(dropout))
}

/// Arrays that a kernel cannot see as a whole, the flat gradients among them, are carried in parts.
fn larger_than_a_binding(_: &Engine) -> Outcome {
    let limits = wgpu::Limits { max_storage_buffer_binding_size: 16 << 10, ..Default::default() };
    let (device, queue) = own_device(limits, wgpu::Features::empty())?;
    let engine = Engine::from_device(device, queue);
    for layout in [wgpu_rnn::Layout::Tnc, wgpu_rnn::Layout::Ntc] {
        let config = Config::gru(9).num_layers(4).bidirectional().layout(layout).input_size(7);
        let case = case(&config, 100, 9, 45);
        let rnn = Rnn::new(&engine, case.weights.clone());
        check(&engine, &rnn, &case, (Lie { offset: 20, gap: 2, ..CONTIGUOUS }, Save::Gates), None)?;
    }
    Ok(())
}

/// The buffers of a call of [`network`] and of its backward pass, with the output as the gradient by itself.
struct Loop {
    input: wgpu::Buffer,
    lengths: wgpu::Buffer,
    output: wgpu::Buffer,
    by_input: wgpu::Buffer,
    by_weights: wgpu::Buffer,
}

impl Loop {
    fn new(engine: &Engine, case: &Case) -> Result<Loop, Failed> {
        let rnn = Rnn::new(engine, case.weights.clone());
        let bytes = |name: &str| {
            let needs = [rnn.buffer_needs(5, 3), rnn.gradient_buffer_needs(5, 3)];
            let needs: Vec<_> = needs.into_iter().flatten().flatten().collect();
            needs.iter().find(|need| need.name == name).map_or(0, |need| need.bytes)
        };
        let made = |name: &str| buffer(engine, bytes(name), Usage::STORAGE);
        let all = Loop {
            input: made("input"),
            lengths: buffer(engine, 12, Usage::COPY_SRC),
            output: made("output"),
            by_input: made("by_input"),
            by_weights: made("by_weights"),
        };
        let queue = engine.queue().ok_or("no GPU")?;
        let input = case.input.as_slice().ok_or("not contiguous")?;
        queue.write_buffer(&all.input, 0, bytemuck::cast_slice(input));
        let lengths: Vec<u32> = case.lengths.iter().flatten().map(|&length| length as u32).collect();
        queue.write_buffer(&all.lengths, 0, bytemuck::cast_slice(&lengths));
        Ok(all)
    }

    fn buffers(&self) -> Buffers<'_> {
        Buffers::new(5, 3, BufferArray::new(&self.input))
            .output(BufferArray::new(&self.output))
            .lengths(&self.lengths, 0)
    }

    fn gradients(&self) -> GradientBuffers<'_> {
        GradientBuffers::new()
            .by_output(BufferArray::new(&self.output))
            .by_input(BufferArray::new(&self.by_input))
            .by_weights(BufferArray::new(&self.by_weights))
    }

    /// Records one call and its backward pass, and submits both.
    fn run(&self, engine: &Engine, rnn: &Rnn, gradients: &GradientBuffers<'_>) -> Outcome {
        let device = engine.device().ok_or("no GPU")?;
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut saved = rnn.encode_saved(&mut encoder, &self.buffers(), Save::Gates)?;
        rnn.encode_backward(&mut encoder, &mut saved, gradients)?;
        engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);
        Ok(())
    }
}

fn numbers(engine: &Engine, buffer: &wgpu::Buffer) -> Result<Vec<f32>, Failed> {
    Ok(bytemuck::pod_collect_to_vec(&encoded::read(engine, buffer)?))
}

fn nan_past_an_end(engine: &Engine) -> Outcome {
    let mut case = Case { state: None, ..network(53) };
    let rnn = Rnn::new(engine, case.weights.clone());
    let of = |case: &Case| -> Result<_, Failed> {
        let all = Loop::new(engine, case)?;
        all.run(engine, &rnn, &all.gradients())?;
        let [input, weights] = [&all.by_input, &all.by_weights].map(|held| numbers(engine, held));
        Ok((input?, weights?))
    };
    let without = of(&case)?;
    case.input[[4, 2, 1]] = f32::NAN;
    case.input[[0, 1, 0]] = f32::NAN;
    if of(&case)? != without || !without.1.iter().all(|number| number.is_finite()) {
        return Err("the gradients changed".into());
    }
    Ok(())
}

/// Gradients that are added, frozen layers, and gradients without an array.
fn parts(engine: &Engine) -> Outcome {
    let case = Case { state: None, ..network(54) };
    let rnn = Rnn::new(engine, case.weights.clone());
    let all = Loop::new(engine, &case)?;
    all.run(engine, &rnn, &all.gradients())?;
    let once = numbers(engine, &all.by_weights)?;
    let by_input = numbers(engine, &all.by_input)?;
    let (host, mut saved) = rnn.forward_saved(&case.call())?;
    let host = rnn.backward(&mut saved, &OutputGradients::new().output(&host.output))?;
    assert_eq!(once, host.weights.as_slice());
    assert!(by_input.iter().eq(host.input.iter()));
    all.run(engine, &rnn, &all.gradients().accumulate())?;
    let twice: Vec<f32> = once.iter().map(|number| 2.0 * number).collect();
    assert_eq!(numbers(engine, &all.by_weights)?, twice);
    // The frozen layer's gradients are zero, and add nothing.
    all.run(engine, &rnn, &all.gradients().accumulate().frozen(0))?;
    let thrice = numbers(engine, &all.by_weights)?;
    for (name, range, shape) in case.weights.places(Naming::PyTorch) {
        let factor = if name.contains("_l0") { 2.0 } else { 3.0 };
        let near = |(&sum, &one): (&f32, &f32)| (sum - factor * one).abs() <= 1e-6 * (factor * one).abs();
        assert_eq!(shape.iter().product::<usize>(), range.len());
        assert!(thrice[range.clone()].iter().zip(&once[range]).all(near), "{name}");
    }
    // Without arrays for them, gradients are not written.
    engine.queue().ok_or("no GPU")?.write_buffer(&all.by_input, 0, &[7; 16]);
    all.run(engine, &rnn, &GradientBuffers::new().by_output(BufferArray::new(&all.output)))?;
    assert_eq!(numbers(engine, &all.by_weights)?, thrice);
    assert_eq!(encoded::read(engine, &all.by_input)?[..16], [7; 16]);
    Ok(())
}

fn misuse(engine: &Engine) -> Outcome {
    let case = Case { state: None, ..network(55) };
    let rnn = Rnn::new(engine, case.weights.clone());
    let all = Loop::new(engine, &case)?;
    let device = engine.device().ok_or("no GPU")?;
    let mut encoder = device.create_command_encoder(&Default::default());
    let mut saved = rnn.encode_saved(&mut encoder, &all.buffers(), Save::Gates)?;
    let mut refuses =
        |rnn: &Rnn, saved: &mut EncodedSaved, with: GradientBuffers<'_>, expected: &str| match rnn
            .encode_backward(&mut encoder, saved, &with)
        {
            Err(error) if error.to_string().starts_with(expected) => Ok(()),
            other => Err(Failed::from(format!("expected {expected:?}, found {other:?}"))),
        };
    let small = buffer(engine, 16, Usage::STORAGE);
    let at = |buffer| BufferArray::new(buffer);
    let given = || all.gradients();
    for (gradients, expected) in [
        (given().by_weights(at(&small)), "by_weights: expected a buffer of at least "),
        (given().by_output(at(&small)), "by_output: expected a buffer of at least 1560 bytes, found 16"),
        (
            given().by_lower(0, at(&all.output)),
            "by_lower: expected none, since the saved call gives no such result, found an array",
        ),
        (
            given().by_cell_states(at(&all.output)),
            "by_cell_states: expected none, since the saved call gives no",
        ),
        (
            given().by_output_reverse(at(&all.output)),
            "by_output_reverse: expected none, since the saved call",
        ),
        (given().frozen(2), "frozen: expected a layer below 2, found 2"),
        (
            given().by_h_0(at(&all.by_weights)),
            "by_weights: expected a place apart from by_h_0, found the same one",
        ),
    ] {
        refuses(&rnn, &mut saved, gradients, expected)?;
    }
    let other = Rnn::new(engine, case.weights.clone());
    refuses(&other, &mut saved, given(), "saved: expected a saved call of this network")?;
    // The saved call is whole, and can be used once.
    rnn.encode_backward(&mut encoder, &mut saved, &given())?;
    match rnn.encode_backward(&mut encoder, &mut saved, &given()) {
        Err(Error::SavedUsed) => {}
        other => return Err(format!("expected SavedUsed, found {other:?}").into()),
    }
    engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);
    let gru = crate::common::case(&Config::gru(5).input_size(7), 5, 3, 56);
    let on_cpu = Rnn::new(&Engine::cpu(), gru.weights);
    let mut encoder = device.create_command_encoder(&Default::default());
    match on_cpu.encode_saved(&mut encoder, &all.buffers(), Save::Gates) {
        Err(Error::Unsupported { name: "encode_saved", .. }) => Ok(()),
        other => Err(format!("on the CPU: {:?}", other.err()).into()),
    }
}

fn steady_state(engine: &Engine) -> Outcome {
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    // A device's objects are counted by engine.
    let engine = Engine::from_device(device.clone(), queue.clone());
    let case = Case { state: None, ..network(57) };
    let rnn = Rnn::new(&engine, case.weights.clone());
    let sets = [Loop::new(&engine, &case)?, Loop::new(&engine, &case)?];
    let mut before = 0;
    for round in 0..20 {
        for all in &sets {
            all.run(&engine, &rnn, &all.gradients())?;
        }
        match round {
            0 => before = inspect::objects_made(&engine),
            _ => assert_eq!(inspect::objects_made(&engine), before, "round {round}"),
        }
    }
    Ok(())
}
