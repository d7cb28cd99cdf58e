//! What goes into a call beside the input, and what comes out.

use ndarray::Array3;

/// The state between two calls.
#[derive(Clone, Debug, PartialEq)]
pub struct State<T = f32> {
    /// Hidden state, `[L*D, N, H]`; slot = layer · D + direction.
    pub h: Array3<T>,
    /// Cell state, `[L*D, N, H]`, for an LSTM and no other.
    pub c: Option<Array3<T>>,
}

impl<T> State<T> {
    /// The state of an RNN or GRU.
    pub fn new(h: Array3<T>) -> State<T> {
        State { h, c: None }
    }

    /// The state of an LSTM.
    pub fn with_cell(h: Array3<T>, c: Array3<T>) -> State<T> {
        State { h, c: Some(c) }
    }
}

/// The answer to one call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Output<T = f32> {
    /// The last layer's hidden state at every step: `[T, N, D*H]`, or `[N, T, D*H]` in layout NTC. Forward first.
    pub output: Array3<T>,
    /// The final hidden states, `[L*D, N, H]`. A backward direction ends at t = 0.
    pub h_n: Array3<T>,
    /// The LSTM's final cell states, `[L*D, N, H]`.
    pub c_n: Option<Array3<T>>,
    /// The engine that computed this; the GPU is never replaced in silence.
    pub engine: std::sync::Arc<str>,
}

impl<T: Clone> Output<T> {
    /// The final states, to start the next call from.
    pub fn state(&self) -> State<T> {
        State { h: self.h_n.clone(), c: self.c_n.clone() }
    }
}
