//! The state between two calls, and the answer to one.

use super::Packed;
use crate::network::Network;
use crate::{Result, memory};
use ndarray::Array3;
use num_traits::Zero;

/// The state between two calls.
#[derive(Clone, Debug, PartialEq)]
pub struct State<T = f32> {
    /// Hidden state, `[L*D, N, H]` (`[L*D, N, P]` with a projection); slot = layer · D + direction.
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

/// The answer to one call. Arrays over time are `[T, N, C]`, or `[N, T, C]` in layout NTC, all in the order
/// of time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Output<T = f32> {
    /// The last layer's output at every step, C = D·H, forward first; D·P with a projection; H where
    /// directions are merged or kept apart. With [`last_only`](crate::Call::last_only), `output` is the last
    /// output of each direction, and T is 1.
    pub output: Array3<T>,
    /// The reverse direction's output, in the shape of `output`, where directions are kept
    /// [apart](crate::Merge::Apart); `output` is then the forward direction's.
    pub output_reverse: Option<Array3<T>>,
    /// The output packed, `[sum of batch_sizes, C]`, where the input was packed. `output` is the same padded;
    /// `output_reverse`, `cell_states` and `lower` are padded alone.
    pub packed: Option<Packed<T>>,
    /// The last layer's cell state at every step, C = D·H, where [`cell_states`](crate::Call::cell_states)
    /// asks for it.
    pub cell_states: Option<Array3<T>>,
    /// The output of each layer but the last, where [`every_layer`](crate::Call::every_layer) asks for it;
    /// empty for a single layer.
    pub lower: Vec<Array3<T>>,
    /// The final hidden states, `[L*D, N, H]` (P with a projection). A reverse direction ends at t = 0.
    pub h_n: Array3<T>,
    /// The LSTM's final cell states, `[L*D, N, H]`.
    pub c_n: Option<Array3<T>>,
    /// The time of each pass on the GPU, where [`timed`](crate::Call::timed) asks for it.
    pub times: Vec<PassTime>,
    /// The engine that computed this; the GPU is never replaced in silence.
    pub engine: std::sync::Arc<str>,
}

impl<T: Clone> Output<T> {
    /// The final states, to start the next call from.
    pub fn state(&self) -> State<T> {
        State { h: self.h_n.clone(), c: self.c_n.clone() }
    }
}

/// The time of a pass on the GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassTime {
    /// The pass's label.
    pub label: String,
    /// The pass's dispatches, each time step counted.
    pub dispatches: u64,
    /// The time from the beginning of the pass to its end, by the GPU's clock.
    pub time: std::time::Duration,
}

impl Network {
    /// A state of zeros for a batch.
    pub fn zero_state<T: Clone + Zero>(&self, batch: usize) -> Result<State<T>> {
        let zeros = |size| {
            let shape = [self.slots.len(), batch, size];
            memory::check::<T>(|| format!("initial state {shape:?}"), &shape)?;
            Ok(Array3::zeros(shape))
        };
        let h = zeros(self.state_size())?;
        let c = self.cell_state_size().map(zeros).transpose()?;
        Ok(State { h, c })
    }
}
