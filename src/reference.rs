//! The reference: the equations as the papers have them, in plain loops, on the CPU, in f32 or f64.
//!
//! The reference shares no code with the kernels that it judges, and is never made clever. PyTorch, MXNet,
//! onnxruntime and Keras judge the reference.

mod activation;
mod cell;
mod gradient;
mod tape;

pub(crate) use activation::activate;
pub use gradient::backward;
pub(crate) use gradient::differentiate;

use crate::call::{Call, Checked, Results, Source};
use crate::float::Scalar;
use crate::network::SlotSpec;
use crate::{Float, Merge, Output, Result, SlotWeights, State, Weights, memory};
use cell::Equations;
use ndarray::{Array3, ArrayRef, ArrayView1, Axis, Dimension, concatenate, s};

/// The name of the reference in an output.
pub(crate) const NAME: &str = "CPU reference";

/// Runs a network over a whole sequence.
///
/// `input` is `[T, N, I]` (or `[N, T, I]`, as the weights' layout says), the state `[L*D, N, H]`, zero if not
/// given.
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
///
/// # Errors
/// The errors of [`call`].
pub fn forward<T: Float, D: Dimension>(
    weights: &Weights<T>,
    input: &ArrayRef<T, D>,
    state: Option<&State<T>>,
) -> Result<Output<T>> {
    call(weights, &Call::new(input).state(state))
}

/// The same as [`Rnn::call`](crate::Rnn::call).
///
/// # Errors
/// [`Error::Shape`] and [`Error::CellState`] for an input or a state that does not fit the network,
/// [`Error::Argument`] for another argument, [`Error::Unsupported`] for lengths on a GPU and for a timed
/// call, [`Error::Memory`] and [`Error::TooLarge`] for arrays that memory cannot hold.
///
/// [`Error::Shape`]: crate::Error::Shape
/// [`Error::CellState`]: crate::Error::CellState
/// [`Error::Argument`]: crate::Error::Argument
/// [`Error::Unsupported`]: crate::Error::Unsupported
/// [`Error::Memory`]: crate::Error::Memory
/// [`Error::TooLarge`]: crate::Error::TooLarge
pub fn call<T: Float>(weights: &Weights<T>, call: &Call<'_, T>) -> Result<Output<T>> {
    let network = weights.network();
    let call = network.checked(call)?;
    call.refuse_gpu_only(NAME)?;
    let initial = match call.state {
        Some(state) => state.clone(),
        None => weights.initial_state(call.batch())?,
    };
    compute(weights, &call, initial)
}

/// Computes a checked call from a state.
fn compute<T: Scalar>(weights: &Weights<T>, call: &Checked<'_, T>, initial: State<T>) -> Result<Output<T>> {
    let network = weights.network();
    let (steps, batch) = (call.steps(), call.batch());
    let wide = network.state_size().max(network.cell_state_size().unwrap_or(0));
    for shape in [call.input.shape(), &[steps, batch, network.direction_count(), wide]] {
        memory::check::<T>(|| format!("an array of {shape:?}"), shape)?;
    }
    let mut results = Results::new(network, call, &NAME.into())?;
    let mut h_n = initial.h;
    // Carried by every cell here, given back only where a layer has one.
    let mut c_n = initial.c.unwrap_or_else(|| Array3::zeros((network.slots.len(), batch, 0)));

    // The sequence that a layer reads.
    let mut sequence = call.input.to_owned();
    for (layer, slots) in network.layers().enumerate() {
        let mut directions = Vec::new();
        for slot in slots {
            let carried = (&mut h_n, &mut c_n);
            directions.push(one_direction(slot, weights.slot(slot.index), &sequence, call, carried));
        }
        let outputs: Vec<_> = directions.iter().map(|steps| steps.h.clone()).collect();
        let mut output = match network.merge {
            Merge::Concatenate | Merge::Apart => side_by_side(&outputs),
            merge => {
                let mut output = outputs[0].clone();
                output.zip_mut_with(&outputs[1], |one, &other| *one = merge.apply(*one, other));
                output
            }
        };
        if network.residual && layer > 0 {
            // The input is as wide as this layer's output.
            output = output + &sequence;
        }
        for piece in results.pieces().filter(|piece| slots.iter().any(|one| one.index == piece.slot)) {
            let direction = &directions[network.slots[piece.slot].direction];
            let first = network.slots[piece.slot].direction * piece.width;
            let numbers = match piece.source {
                Source::Steps => output.slice(s![.., .., first..first + piece.width]),
                Source::Cells => direction.c.view(),
                Source::Final => continue,
            };
            if let Some(mut columns) = results.piece_mut(&piece) {
                columns.assign(&numbers);
            }
        }
        if let Some(dropout) = call.dropout.filter(|_| layer + 1 < network.num_layers) {
            dropout.apply(layer, output.view_mut());
        }
        sequence = output;
    }
    results.fill_final(&h_n);
    let state = State { h: h_n, c: network.cell_state_size().map(|_| c_n) };
    results.finish(call, state)
}

/// `[T, N, C]` arrays along C.
fn side_by_side<T: Scalar>(arrays: &[Array3<T>]) -> Array3<T> {
    let views: Vec<_> = arrays.iter().map(|array| array.view()).collect();
    // All of them have one T and N.
    concatenate(Axis(2), &views).expect("directions have one shape")
}

/// Hidden and cell states at every step.
struct DirectionStates<T> {
    /// `[T, N, H]`, or P with a projection.
    h: Array3<T>,
    /// `[T, N, H]`; `[T, N, 0]` without cell states.
    c: Array3<T>,
}

/// One layer's pass over a sequence `[T, N, I]`, each row from its first step to its last or from its last to
/// its first. Past a row's end all is zero.
fn one_direction<T: Scalar>(
    spec: &SlotSpec,
    weights: SlotWeights<'_, T>,
    sequence: &Array3<T>,
    call: &Checked<'_, T>,
    (h_n, c_n): (&mut Array3<T>, &mut Array3<T>),
) -> DirectionStates<T> {
    let (steps, batch, _) = sequence.dim();
    let (slot, state_size, cell_size) = (spec.index, spec.state_size, spec.cell_state_size());
    let equations = Equations::new(spec);
    let mut output = DirectionStates {
        h: Array3::zeros((steps, batch, state_size)),
        c: Array3::zeros((steps, batch, cell_size)),
    };
    for n in 0..batch {
        let mut h = h_n.slice(s![slot, n, ..state_size]).to_vec();
        let mut c = c_n.slice(s![slot, n, ..cell_size]).to_vec();
        let length = call.length(n);
        for step in 0..length {
            let t = if spec.is_reverse { length - 1 - step } else { step };
            (h, c) = equations.step(&weights, sequence.slice(s![t, n, ..]), &h, &c);
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
