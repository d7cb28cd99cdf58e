//! Sequences of different lengths.

use crate::common::{self, Case, F32, case, difference_of_outputs, reference};
use crate::engines::{Outcome, Trials};
use crate::{add_all, equals_reference, primes, run};
use ndarray::{Array3, s};
use wgpu_rnn::{Call, Cell, Config, Engine, Rnn};

pub fn add(trials: &mut Trials) {
    add_all(
        trials,
        false,
        &[
            ("lengths_change_from_call_to_call", changing_lengths),
            ("lengths_are_as_if_each_row_were_alone", lengths_alone),
        ],
    );
    add_all(trials, true, &[("lengths_on_the_gpu_are_lengths", lengths_on_gpu)]);
}

/// A row's result is the same to the last bit, whatever stands past its end, and whatever the other rows are;
/// and what is past its end is zero.
fn lengths_alone(engine: &Engine) -> Outcome {
    for cell in Cell::ALL {
        let mut whole = case(&primes(cell), 9, 5, 15);
        let lengths = [4, 0, 7, 1, 5];
        whole.lengths = Some(lengths.to_vec());
        let answer = run(engine, &whole)?;
        // Other numbers past the ends, NaN among them, more steps of padding, and other neighbours.
        let mut other = case(&primes(cell), 12, 5, 16);
        let mut other_lengths = [12, 0, 12, 1, 2];
        for row in [0, 2, 4] {
            let steps = s![..lengths[row], row, ..];
            other.input.slice_mut(steps).assign(&whole.input.slice(steps));
            other.input.slice_mut(s![lengths[row].., row, ..]).fill(f32::NAN);
            other_lengths[row] = lengths[row];
        }
        other.weights = whole.weights.clone();
        other.state = whole.state.clone();
        other.lengths = Some(other_lengths.to_vec());
        let padded = run(engine, &other)?;
        for row in [0, 2, 4] {
            let of = |array: &Array3<f32>, steps| array.slice(s![..steps, row, ..]).to_owned();
            let slots = answer.h_n.dim().0;
            if of(&answer.output, 9) != of(&padded.output, 9)
                || of(&answer.h_n, slots) != of(&padded.h_n, slots)
            {
                return Err(format!("{cell:?}: row {row} depends on what is past its end").into());
            }
        }
        for (row, &length) in lengths.iter().enumerate() {
            if !answer.output.slice(s![length.., row, ..]).iter().all(|&number| number == 0.0) {
                return Err(format!("{cell:?}: row {row} is not zero past its end").into());
            }
        }
        if answer.h_n.slice(s![.., 1, ..]) != whole.state.as_ref().unwrap().h.slice(s![.., 1, ..]) {
            return Err(format!("{cell:?}: an empty sequence changes its state").into());
        }
        equals_reference(engine, &whole)?;
        // None at all.
        whole.lengths = Some(vec![0; 5]);
        equals_reference(engine, &whole)?;
    }
    Ok(())
}

/// Nothing of one call is left in the next one, whose sequences are shorter; and a call with other lengths
/// makes no object.
fn changing_lengths(engine: &Engine) -> Outcome {
    let config = Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    for config in [config.clone(), config.clone().layer_norm(), config.proj_size(5).residual()] {
        let mut case = case(&config, 9, 5, 23);
        (case.outputs.cell_states, case.outputs.every_layer) = (true, true);
        let rnn = Rnn::new(engine, case.weights.clone());
        for lengths in [[9, 9, 9, 9, 9], [2, 5, 0, 6, 1], [0; 5], [3, 1, 4, 1, 5]] {
            case.lengths = Some(lengths.to_vec());
            let tolerance = if config.layer_norm { common::NORM } else { F32 };
            difference_of_outputs(&rnn.call(&case.call())?, &reference(&case), tolerance)
                .map_err(|error| format!("{lengths:?}: {error}"))?;
        }
    }
    Ok(())
}

fn says<'a>(rnn: &Rnn, call: &Call<'a>, lengths: &'a wgpu::Buffer, expected: &str) -> Outcome {
    match rnn.call(&call.clone().lengths_on_gpu(lengths)) {
        Err(error) if error.to_string() == expected => Ok(()),
        other => Err(format!("expected {expected:?}, found {other:?}").into()),
    }
}

fn lengths_on_gpu(engine: &Engine) -> Outcome {
    use wgpu::BufferUsages as Usage;
    let mut case = case(&primes(Cell::Gru), 9, 5, 17);
    case.lengths = Some(vec![4, 0, 9, 1, 5]);
    let theirs = run(engine, &case)?;
    let device = engine.device().unwrap();
    let buffer = |numbers: &[u32], usage| {
        let size = 4 * numbers.len() as u64;
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size,
            usage,
            mapped_at_creation: true,
        });
        buffer.get_mapped_range_mut(..).unwrap().copy_from_slice(bytemuck::cast_slice(numbers));
        buffer.unmap();
        buffer
    };
    let rnn = Rnn::new(engine, case.weights.clone());
    let call = case.call();
    let without = Case { lengths: None, ..case.clone() };
    let bare = without.call();
    // A length over T counts as T.
    let lengths = buffer(&[4, 0, 77, 1, 5], Usage::COPY_SRC);
    if rnn.call(&bare.clone().lengths_on_gpu(&lengths))? != theirs {
        return Err("lengths on the GPU give something else than lengths on the host".into());
    }
    // So is a saved call with them.
    let (output, mut saved) = rnn.forward_saved(&bare.clone().lengths_on_gpu(&lengths))?;
    let (_, mut saved_too) = rnn.forward_saved(&call)?;
    let given = wgpu_rnn::OutputGradients::new().output(&theirs.output).h_n(&theirs.h_n);
    if output != theirs || rnn.backward(&mut saved, &given)? != rnn.backward(&mut saved_too, &given)? {
        return Err("a saved call with lengths on the GPU gives something else".into());
    }
    says(&rnn, &call, &lengths, "lengths: expected lengths on the host or on the GPU, found both")?;
    let short = buffer(&[1, 2], Usage::COPY_SRC);
    says(&rnn, &bare, &short, "lengths_on_gpu: expected a buffer of at least 20 bytes, found 8")?;
    let other = buffer(&[1, 2, 3, 4, 5], Usage::STORAGE);
    let expected = "lengths_on_gpu: expected a buffer with usage COPY_SRC, found BufferUsages(STORAGE)";
    says(&rnn, &bare, &other, expected)?;
    let cpu = Rnn::new(&Engine::cpu(), case.weights.clone());
    let expected = format!("lengths_on_gpu: expected an engine on a GPU, found {}", cpu.engine().name());
    says(&cpu, &bare, &lengths, &expected)
}
