//! The cells' equations. x is W_ih x_t + b_ih and h is W_hh h_{t-1} + b_hh, both by gate.

use crate::{Cell, Float};
use ndarray::ArrayView1;

/// One unit's step: (h, c) of the step before to (h, c) of this one. Cells without a cell state hand c through.
pub(super) fn update<T: Float>(
    cell: Cell,
    x: ArrayView1<'_, T>,
    h: ArrayView1<'_, T>,
    previous: (T, T),
) -> (T, T) {
    match cell {
        // h_t = max(x + h, 0)
        // (a NaN stays one, as in PyTorch)
        Cell::RnnRelu => {
            let sum = x[0] + h[0];
            (if sum < T::zero() { T::zero() } else { sum }, previous.1)
        }
        // h_t = tanh(x + h)
        Cell::RnnTanh => ((x[0] + h[0]).tanh(), previous.1),
        // c_t = σ(f) c_{t-1} + σ(i) tanh(g);  h_t = σ(o) tanh(c_t)
        Cell::Lstm => {
            let [i, f, g, o] = [0, 1, 2, 3].map(|gate| x[gate] + h[gate]);
            let c = sigmoid(f) * previous.1 + sigmoid(i) * g.tanh();
            (sigmoid(o) * c.tanh(), c)
        }
        // n = tanh(x_n + r h_n);  h_t = (1 - z) n + z h_{t-1}
        Cell::Gru => {
            let [r, z] = [0, 1].map(|gate| sigmoid(x[gate] + h[gate]));
            let n = (x[2] + r * h[2]).tanh();
            ((T::one() - z) * n + z * previous.0, previous.1)
        }
    }
}

fn sigmoid<T: Float>(x: T) -> T {
    T::one() / (T::one() + (-x).exp())
}
