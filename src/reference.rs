//! The reference: the equations as the papers have them, in plain loops, on the CPU, in f32 or f64.
//!
//! It shares no code with the kernels, judges them, and is never made clever. It is itself judged by PyTorch, MXNet,
//! onnxruntime and Keras.

mod activation;
mod cell;

use crate::call::{Call, Checked};
use crate::{Float, Merge, Output, Packed, Result, SlotWeights, State, Weights, memory};
use cell::Equations;
use ndarray::{Array3, ArrayRef, ArrayView1, Axis, Dimension, concatenate, s};

/// What an answer says of where it was computed.
pub(crate) const NAME: &str = "CPU reference";

/// Runs a network over a whole sequence.
///
/// `input` is `[T, N, I]` (or `[N, T, I]`, as the weights' layout says), the state `[L*D, N, H]`, zero if not given.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Init, Weights, reference};
///
/// let config = Config::lstm(6).bidirectional().input_size(3);
/// let weights = Weights::init(&config, &Init::gluon())?.cast::<f64>();
/// let answer = reference::forward(&weights, &Array3::ones((4, 5, 3)), None)?;
/// assert_eq!(answer.output.dim(), (4, 5, 12));
/// assert_eq!(answer.h_n.dim(), (2, 5, 6));
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
pub fn forward<T: Float, D: Dimension>(
    weights: &Weights<T>,
    input: &ArrayRef<T, D>,
    state: Option<&State<T>>,
) -> Result<Output<T>> {
    call(weights, &Call::new(input).state(state))
}

/// As [`Rnn::forward_packed`](crate::Rnn::forward_packed).
pub fn forward_packed<T: Float>(
    weights: &Weights<T>,
    packed: &Packed<T>,
    state: Option<&State<T>>,
) -> Result<(Packed<T>, Output<T>)> {
    let padded = packed.padded(weights.config())?;
    let answer = call(weights, &padded.call(state))?;
    padded.pack(weights.config(), answer)
}

/// As [`Rnn::call`](crate::Rnn::call).
pub fn call<T: Float>(weights: &Weights<T>, call: &Call<'_, T>) -> Result<Output<T>> {
    let config = weights.config();
    let call = config.checked(call)?;
    let (steps, batch) = (call.steps(), call.batch());
    let wide = config.state_size().max(config.cell_state_size().unwrap_or(0));
    for shape in [call.input.shape(), &[steps, batch, config.directions.count(), wide]] {
        memory::check::<T>(|| format!("an array of {shape:?}"), shape)?;
    }
    let initial = match call.state {
        Some(state) => state.clone(),
        None => weights.initial_state(batch)?,
    };
    let mut h_n = initial.h;
    // Carried by every cell here, given back only where a layer has one.
    let mut c_n = initial.c.unwrap_or_else(|| Array3::zeros((config.slots(), batch, 0)));

    // What each layer reads, and with it what it gives to the next: the directions side by side, or merged.
    let mut sequences = vec![call.input.to_owned()];
    let mut tops = Vec::new();
    for layer in 0..config.num_layers {
        let mut directions = Vec::new();
        for direction in 0..config.directions.count() {
            let slot = layer * config.directions.count() + direction;
            let equations = Equations::new(config, layer, direction);
            let carried = (&mut h_n, &mut c_n, slot);
            let reverse = config.directions.is_reverse(direction);
            directions.push(one_direction(
                &equations,
                &weights.slots()[slot],
                &sequences[layer],
                &call,
                reverse,
                carried,
            ));
        }
        let outputs: Vec<_> = directions.iter().map(|steps| steps.h.clone()).collect();
        let mut sequence = match config.merge {
            Merge::Concatenate | Merge::Apart => side_by_side(&outputs),
            Merge::Sum => &outputs[0] + &outputs[1],
            Merge::Average => (&outputs[0] + &outputs[1]).mapv(|sum| sum / (T::one() + T::one())),
            Merge::Multiply => &outputs[0] * &outputs[1],
        };
        if config.residual && layer > 0 {
            // As wide as this layer's output.
            sequence = sequence + &sequences[layer];
        }
        sequences.push(sequence);
        tops = directions;
    }

    let mut output = sequences.pop().unwrap_or_else(|| call.input.to_owned());
    if config.outputs.last_only {
        let first = config.slots() - config.directions.count();
        let size = config.layer(config.num_layers - 1).state_size;
        let last = |slot: usize| h_n.slice(s![slot..=slot, .., ..size]).to_owned();
        output = match config.merge {
            Merge::Concatenate | Merge::Apart => {
                side_by_side(&(first..config.slots()).map(last).collect::<Vec<_>>())
            }
            Merge::Sum => last(first) + last(first + 1),
            Merge::Average => (last(first) + last(first + 1)).mapv(|sum| sum / (T::one() + T::one())),
            Merge::Multiply => last(first) * last(first + 1),
        };
    }
    let mut output_reverse = None;
    if config.merge == Merge::Apart {
        let half = output.dim().2 / 2;
        output_reverse = Some(output.slice(s![.., .., half..]).to_owned());
        output = output.slice(s![.., .., ..half]).to_owned();
    }
    let cell_states = config
        .outputs
        .cell_states
        .then(|| side_by_side(&tops.iter().map(|steps| steps.c.clone()).collect::<Vec<_>>()));
    let lower = if config.outputs.every_layer { sequences.split_off(1) } else { Vec::new() };
    let restore = |array| config.layout.restore(array);
    Ok(Output {
        output: restore(output),
        output_reverse: output_reverse.map(restore),
        cell_states: cell_states.map(restore),
        lower: lower.into_iter().map(restore).collect(),
        h_n,
        c_n: config.cell_state_size().map(|_| c_n),
        engine: NAME.into(),
    })
}

/// `[T, N, C]` arrays along C.
fn side_by_side<T: Float>(arrays: &[Array3<T>]) -> Array3<T> {
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    // All of them have one T and N.
    concatenate(Axis(2), &views).expect("directions have one shape")
}

/// Hidden and cell states at every step.
struct Steps<T> {
    /// `[T, N, H]`, or P with a projection.
    h: Array3<T>,
    /// `[T, N, H]`; `[T, N, 0]` without cell states.
    c: Array3<T>,
}

/// One layer's pass over a sequence `[T, N, I]`, each row from its first step to its last or from its last to its first. Past
/// a row's end all is zero.
fn one_direction<T: Float>(
    equations: &Equations<T>,
    weights: &SlotWeights<T>,
    sequence: &Array3<T>,
    call: &Checked<'_, T>,
    reverse: bool,
    (h_n, c_n, slot): (&mut Array3<T>, &mut Array3<T>, usize),
) -> Steps<T> {
    let (steps, batch, _) = sequence.dim();
    let (state_size, cell_size) = equations.sizes();
    let mut output =
        Steps { h: Array3::zeros((steps, batch, state_size)), c: Array3::zeros((steps, batch, cell_size)) };
    for n in 0..batch {
        let mut h = h_n.slice(s![slot, n, ..state_size]).to_vec();
        let mut c = c_n.slice(s![slot, n, ..cell_size]).to_vec();
        let length = call.length(n);
        for step in 0..length {
            let t = if reverse { length - 1 - step } else { step };
            (h, c) = equations.step(weights, sequence.slice(s![t, n, ..]), &h, &c);
            output.h.slice_mut(s![t, n, ..]).assign(&ArrayView1::from(&h));
            output.c.slice_mut(s![t, n, ..]).assign(&ArrayView1::from(&c));
        }
        h_n.slice_mut(s![slot, n, ..]).fill(T::zero());
        c_n.slice_mut(s![slot, n, ..]).fill(T::zero());
        h_n.slice_mut(s![slot, n, ..state_size]).assign(&ArrayView1::from(&h));
        c_n.slice_mut(s![slot, n, ..cell_size]).assign(&ArrayView1::from(&c));
    }
    output
}
