//! The reference: the equations as the papers have them, in plain loops, on the CPU, in f32 or f64.
//!
//! It shares no code with the kernels, judges them, and is never made clever. It is itself judged by PyTorch and MXNet.

mod cell;

use crate::{Float, Output, Result, SlotWeights, State, Weights, memory};
use ndarray::{Array2, Array3, ArrayRef, ArrayView2, ArrayView3, Axis, Dimension, concatenate, s};

/// What an answer says of where it was computed.
pub(crate) const NAME: &str = "CPU reference";

/// Runs a network over a whole sequence.
///
/// `input` is `[T, N, I]` (or `[N, T, I]`, as the weights' layout says), the state `[L*D, N, H]`, zero if not given.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Init, Weights, cpu};
///
/// let config = Config::lstm(6).bidirectional().input_size(3);
/// let weights = Weights::init(&config, &Init::gluon())?.cast::<f64>();
/// let answer = cpu::forward(&weights, &Array3::ones((4, 5, 3)), None)?;
/// assert_eq!(answer.output.dim(), (4, 5, 12));
/// assert_eq!(answer.h_n.dim(), (2, 5, 6));
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
pub fn forward<T: Float, D: Dimension>(
    weights: &Weights<T>,
    input: &ArrayRef<T, D>,
    state: Option<&State<T>>,
) -> Result<Output<T>> {
    let config = weights.config();
    config.check_call(input, state)?;
    let (input, (steps, batch)) = config.time_first(input)?;
    for shape in [input.shape(), &[steps, batch, config.output_size()], &[batch, config.gate_rows()]] {
        memory::check::<T>(|| format!("an array of {shape:?}"), shape)?;
    }
    let State { mut h, c } = config.initial_state(state, batch)?;
    // Carried by every cell here, given back only where the cell has one.
    let mut c = c.unwrap_or_else(|| Array3::zeros(h.dim()));

    let mut sequence = input.to_owned();
    for layer in 0..config.num_layers {
        let mut outputs = Vec::new();
        for direction in 0..config.directions.count() {
            let slot = layer * config.directions.count() + direction;
            let mut carried = Carried {
                h: h.index_axis(Axis(0), slot).to_owned(),
                c: c.index_axis(Axis(0), slot).to_owned(),
            };
            let weights = &weights.slots()[slot];
            outputs.push(one_direction(config.cell, weights, sequence.view(), direction == 1, &mut carried));
            h.index_axis_mut(Axis(0), slot).assign(&carried.h);
            c.index_axis_mut(Axis(0), slot).assign(&carried.c);
        }
        let views: Vec<_> = outputs.iter().map(|output| output.view()).collect();
        // All of them are [T, N, H].
        sequence = concatenate(Axis(2), &views).expect("directions have one shape");
    }
    Ok(Output {
        output: config.layout.restore(sequence),
        h_n: h,
        c_n: config.cell.has_cell_state().then_some(c),
        engine: NAME.into(),
    })
}

/// The state of one layer and direction between two steps, each `[N, H]`.
struct Carried<T> {
    h: Array2<T>,
    c: Array2<T>,
}

/// One layer's pass over the sequence `[T, N, I]`, first step to last or last to first; gives `[T, N, H]`.
fn one_direction<T: Float>(
    cell: crate::Cell,
    weights: &SlotWeights<T>,
    sequence: ArrayView3<'_, T>,
    backward: bool,
    carried: &mut Carried<T>,
) -> Array3<T> {
    let (steps, batch, _) = sequence.dim();
    let hidden = carried.h.ncols();
    let mut output = Array3::zeros((steps, batch, hidden));
    for step in 0..steps {
        let t = if backward { steps - 1 - step } else { step };
        let x = product(&weights.weight_ih, sequence.index_axis(Axis(0), t), &weights.bias_ih);
        let h = product(&weights.weight_hh, carried.h.view(), &weights.bias_hh);
        for n in 0..batch {
            for j in 0..hidden {
                // The gates of unit j, one from each row block.
                let x = x.slice(s![n, j..;hidden]);
                let h = h.slice(s![n, j..;hidden]);
                let previous = (carried.h[[n, j]], carried.c[[n, j]]);
                let (h, c) = cell::update(cell, x, h, previous);
                carried.h[[n, j]] = h;
                carried.c[[n, j]] = c;
                output[[t, n, j]] = h;
            }
        }
    }
    output
}

/// W x + b for every row x: `[N, I]` to `[N, G*H]`.
fn product<T: Float>(weight: &Array2<T>, rows: ArrayView2<'_, T>, bias: &ndarray::Array1<T>) -> Array2<T> {
    Array2::from_shape_fn((rows.nrows(), weight.nrows()), |(n, g)| {
        let products = weight.row(g).into_iter().zip(rows.row(n)).map(|(&w, &x)| w * x);
        products.fold(T::zero(), |sum, product| sum + product) + bias[g]
    })
}
