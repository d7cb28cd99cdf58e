//! The arrays of an encoded backward pass.

use super::check::placed;
use super::{BufferArray, Placed, Role};
use crate::call::ResultArray;
use crate::network::{Network, Outputs};
use crate::{Result, Wanted};

/// The buffers of one backward pass, for [`Rnn::encode_backward`](crate::Rnn::encode_backward): the gradients of a
/// loss by the results of a call, which are read, and those by its arguments and weights, which are written.
///
/// | array | shape | |
/// |---|---|---|
/// | `by_output`, `by_output_reverse`, `by_cell_states`, `by_lower` | as the result | read |
/// | `by_h_n` | `[L*D, N, H]`, or P of a projection | read |
/// | `by_c_n` | `[L*D, N, H]`, of an LSTM alone | read |
/// | `by_input` | as the input | written |
/// | `by_h_0`, `by_c_0` | as `h_n` and `c_n` | written |
/// | `by_weights` | `[W]`, flat: [`Weights::places`](crate::Weights::places) | written |
///
/// A gradient that is read and not given is zero. Without an array, the gradients by input and weights are not
/// computed.
/// The rules for arrays are those of [`Buffers`](crate::Buffers). [`Rnn::gradient_buffer_needs`] tells sizes.
///
/// [`Rnn::gradient_buffer_needs`]: crate::Rnn::gradient_buffer_needs
#[derive(Clone, Debug, Default)]
pub struct GradientBuffers<'a> {
    arrays: Vec<(Role, BufferArray<'a>)>,
    frozen: Vec<usize>,
    adds: bool,
}

impl<'a> GradientBuffers<'a> {
    /// No array.
    pub fn new() -> GradientBuffers<'a> {
        GradientBuffers::default()
    }

    fn with(mut self, role: Role, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.arrays.retain(|(other, _)| *other != role);
        self.arrays.push((role, array));
        self
    }

    /// The gradient by the output.
    #[must_use]
    pub fn by_output(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByResult(ResultArray::Output), array)
    }

    /// The gradient by the reverse direction's output, of two directions that are apart.
    #[must_use]
    pub fn by_output_reverse(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByResult(ResultArray::OutputReverse), array)
    }

    /// The gradient by the cell states of every step, of a saved call that gives them.
    #[must_use]
    pub fn by_cell_states(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByResult(ResultArray::CellStates), array)
    }

    /// The gradient by the output of a layer below the last, of a saved call that gives one of these outputs; 0
    /// is the lowest.
    #[must_use]
    pub fn by_lower(self, layer: usize, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByResult(ResultArray::Lower(layer)), array)
    }

    /// The gradient by the final hidden state.
    #[must_use]
    pub fn by_h_n(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByHn, array)
    }

    /// The gradient by the final cell state.
    #[must_use]
    pub fn by_c_n(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByCn, array)
    }

    /// The array for the gradient by the input.
    #[must_use]
    pub fn by_input(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByInput, array)
    }

    /// The array for the gradient by the initial hidden state.
    #[must_use]
    pub fn by_h_0(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByH0, array)
    }

    /// The array for the gradient by the initial cell state.
    #[must_use]
    pub fn by_c_0(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByC0, array)
    }

    /// The array for the gradients by all weights.
    #[must_use]
    pub fn by_weights(self, array: BufferArray<'a>) -> GradientBuffers<'a> {
        self.with(Role::ByWeights, array)
    }

    /// The gradients by weights are added to the numbers that stand in their array.
    #[must_use]
    pub fn accumulate(self) -> GradientBuffers<'a> {
        GradientBuffers { adds: true, ..self }
    }

    /// The weights of a layer are frozen: the gradients by them are zero, and are not computed.
    #[must_use]
    pub fn frozen(mut self, layer: usize) -> GradientBuffers<'a> {
        self.frozen.push(layer);
        self
    }

    pub(crate) fn adds(&self) -> bool {
        self.adds
    }

    /// The gradients that are computed.
    pub(crate) fn wanted(&self, network: &Network) -> Result<Wanted> {
        let has = |role: Role| self.arrays.iter().any(|(other, _)| *other == role);
        let mut wanted = Wanted::all();
        if !has(Role::ByInput) {
            wanted = wanted.without_input();
        }
        let layers = if has(Role::ByWeights) { 0 } else { network.num_layers };
        let wanted = self.frozen.iter().copied().chain(0..layers).fold(wanted, Wanted::frozen);
        wanted.check(network)?;
        Ok(wanted)
    }

    /// Checks all arrays of the backward pass of a call of T steps for a batch of N.
    pub(crate) fn check(
        &self,
        network: &Network,
        outputs: Outputs,
        size: [usize; 2],
        has_f16: bool,
    ) -> Result<Vec<(Role, Placed)>> {
        placed(network, &self.arrays, outputs, size, has_f16)
    }
}
