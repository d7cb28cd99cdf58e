//! The gradient of the reference: its loops on a tape.

use super::tape::{Recorded, Tape};
use super::{NAME, compute};
use crate::call::{Call, Checked, OutputGradients, ResultArray};
use crate::float::Scalar;
use crate::network::Network;
use crate::weights::{CallGradients, Gradients};
use crate::{Error, Float, Output, Result, State, Weights, memory};
use ndarray::{Array3, ArrayView3, CowArray};

/// Computes a call, and the gradients of a loss by everything that the call is made of.
///
/// `gradients` are the gradients of the loss by the arrays that the call gives. The tape computes in f64,
/// whatever `T` is. The tape holds every operation of the call, 24 bytes each, and is for small networks.
///
/// # Errors
/// The errors of [`call`](super::call), [`Error::Shape`] and [`Error::Argument`] for a gradient that does not
/// fit, and [`Error::TooLarge`] and [`Error::Memory`] for a call whose operations no tape holds.
pub fn backward<T: Float>(
    weights: &Weights<T>,
    call: &Call<'_, T>,
    gradients: &OutputGradients<'_, T>,
) -> Result<(Output<T>, CallGradients<T>)> {
    differentiate(weights, &weights.network().checked(call)?, gradients)
}

/// The same of a checked call.
pub(crate) fn differentiate<T: Float>(
    weights: &Weights<T>,
    call: &Checked<'_, T>,
    gradients: &OutputGradients<'_, T>,
) -> Result<(Output<T>, CallGradients<T>)> {
    let network = weights.network();
    call.refuse_gpu_only(NAME)?;
    network.check_gradients(gradients, call.outputs, call.size())?;
    check_tape(network, call.size())?;

    let tape = Tape::record();
    let asked = |&number: &T| Recorded::new(Recorded::constant(to_f64(number)));
    let recorded = weights.map(asked);
    let initial = match call.state {
        Some(state) => State { h: state.h.map(asked), c: state.c.as_ref().map(|c| c.map(asked)) },
        None => {
            // A learned state is one for all rows; each row has a gradient of its own.
            let State { h, c } = recorded.initial_state(call.batch())?;
            State { h: h.mapv(Recorded::new), c: c.map(|c| c.mapv(Recorded::new)) }
        }
    };
    let input = call.input.map(asked);
    let on_tape = Checked {
        input: CowArray::from(input.view()),
        state: None,
        lengths: call.lengths.clone(),
        lengths_on_gpu: None,
        outputs: call.outputs,
        is_timed: false,
        dropout: call.dropout,
        batch_sizes: call.batch_sizes,
    };
    let output = compute(&recorded, &on_tape, initial.clone())?;

    let by = tape.derivatives(loss(&output, gradients));
    let derivative = |number: &Recorded| from_f64::<T>(by.by(*number));
    let gradients = CallGradients {
        input: network.layout.swap(input.map(derivative)),
        state: State { h: initial.h.map(derivative), c: initial.c.as_ref().map(|c| c.map(derivative)) },
        weights: Gradients::new(recorded.params().map(derivative)),
    };
    Ok((values(output), gradients))
}

/// The numbers of a loss, and its derivatives by them.
fn loss<T: Float>(output: &Output<Recorded>, gradients: &OutputGradients<'_, T>) -> Vec<(Recorded, f64)> {
    let mut loss = Vec::new();
    let mut add = |array: Option<&Array3<Recorded>>, gradient: Option<ArrayView3<'_, T>>| {
        let pairs = array.into_iter().flatten().zip(gradient.into_iter().flatten());
        loss.extend(pairs.map(|(&number, &gradient)| (number, to_f64(gradient))));
    };
    let [h_n, c_n] = gradients.of_final();
    add(Some(&output.output), gradients.of(ResultArray::Output));
    add(output.output_reverse.as_ref(), gradients.of(ResultArray::OutputReverse));
    add(output.cell_states.as_ref(), gradients.of(ResultArray::CellStates));
    for (layer, lower) in output.lower.iter().enumerate() {
        add(Some(lower), gradients.of(ResultArray::Lower(layer)));
    }
    add(Some(&output.h_n), h_n);
    add(output.c_n.as_ref(), c_n);
    loss
}

/// Asks for the memory of a tape.
fn check_tape(network: &Network, [steps, batch]: [usize; 2]) -> Result<()> {
    let per_step = network.slots.iter().map(|slot| {
        let [rows, units] = [slot.gate_rows(), slot.hidden_size].map(|size| size as u64);
        let [input, state] = [slot.input_size, slot.state_size].map(|size| size as u64);
        // A multiplication and an addition each; a GRU with reset before makes the recurrent product twice.
        // Formulas take less than 32 operations per gate, and a normalised sum less than 32 more.
        let products = rows.saturating_mul(input.saturating_add(2 * state)).saturating_add(units * state);
        products.saturating_mul(2).saturating_add(64 * rows)
    });
    let needed = per_step.fold(0_u64, u64::saturating_add).saturating_mul(steps as u64);
    let needed = needed.saturating_mul(batch as u64);
    let what = || "the tape of the reference's gradient".to_string();
    let limit = Tape::MOST as u64;
    if needed > limit {
        return Err(Error::TooLarge { what: what(), needed, limit, unit: "operations", holder: "a tape" });
    }
    memory::check::<[u8; Tape::OPERATION_BYTES]>(what, &[needed as usize])
}

fn values<T: Float>(output: Output<Recorded>) -> Output<T> {
    let array = |array: &Array3<Recorded>| array.map(|number| from_f64(number.value()));
    let packed = output.packed.as_ref().map(|packed| crate::Packed {
        data: packed.data.map(|number| from_f64(number.value())),
        batch_sizes: packed.batch_sizes.clone(),
    });
    Output {
        output: array(&output.output),
        output_reverse: output.output_reverse.as_ref().map(array),
        packed,
        cell_states: output.cell_states.as_ref().map(array),
        lower: output.lower.iter().map(array).collect(),
        h_n: array(&output.h_n),
        c_n: output.c_n.as_ref().map(array),
        times: output.times,
        engine: output.engine,
    }
}

fn to_f64<T: Float>(number: T) -> f64 {
    number.to_f64().expect("a float converts to f64")
}

fn from_f64<T: Float>(number: f64) -> T {
    T::from(number).expect("f64 converts to a float")
}
