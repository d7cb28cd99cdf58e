//! A rnn that goes on where it ended.

use crate::{Call, Output, Result, Rnn, State};
use ndarray::{ArrayRef, Dimension};

/// A network whose state is carried from call to call (Keras `stateful=True`), for a sequence that arrives in pieces.
///
/// ```
/// use ndarray::{Array3, s};
/// use wgpu_rnn::{Config, Engine, Init, Rnn, Stateful};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let rnn = Rnn::lazy(&Engine::auto(), &Config::gru(13), Init::pytorch())?;
/// let mut stream = Stateful::new(rnn);
/// let sequence = Array3::ones((8, 1, 7)); // T 8, N 1, I 7
/// let first = stream.forward(&sequence.slice(s![..5, .., ..]))?;
/// let rest = stream.forward(&sequence.slice(s![5.., .., ..]))?; // goes on after the fifth step
/// assert_eq!(stream.state(), Some(&rest.state()));
/// stream.reset(); // the next call begins a new sequence
/// # assert_eq!(stream.forward(&sequence.slice(s![..5, .., ..]))?, first);
/// # Ok(())
/// # }
/// ```
///
/// All calls up to a reset have the same batch. A call that fails leaves the state as it was.
#[derive(Debug)]
pub struct Stateful {
    rnn: Rnn,
    state: Option<State>,
}

impl Stateful {
    /// Begins with the state that a call without one starts from.
    pub fn new(rnn: Rnn) -> Stateful {
        Stateful { rnn, state: None }
    }

    /// As [`Rnn::forward`], from where the last call ended.
    ///
    /// # Errors
    /// Those of [`Rnn::forward`]; of another batch than the last call's, that of a state of the wrong size.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward<D: Dimension>(&mut self, input: &ArrayRef<f32, D>) -> Result<Output> {
        self.call(&Call::new(input))
    }

    /// As [`Rnn::call`], from where the last call ended, or from the call's own state if it has one.
    ///
    /// # Errors
    /// Those of [`Rnn::call`].
    #[cfg(not(target_arch = "wasm32"))]
    pub fn call(&mut self, call: &Call<'_>) -> Result<Output> {
        let answer = self.rnn.call(&call.from(self.state.as_ref()))?;
        self.state = Some(answer.state());
        Ok(answer)
    }

    /// As [`call`](Stateful::call), without holding up the thread while the GPU works.
    ///
    /// # Errors
    /// Those of [`Rnn::call_async`].
    pub async fn call_async(&mut self, call: &Call<'_>) -> Result<Output> {
        let answer = self.rnn.call_async(&call.from(self.state.as_ref())).await?;
        self.state = Some(answer.state());
        Ok(answer)
    }

    /// Where the last call ended; none after a reset.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Goes on from this state.
    pub fn set_state(&mut self, state: State) {
        self.state = Some(state);
    }

    /// Begins again.
    pub fn reset(&mut self) {
        self.state = None;
    }

    /// The network.
    pub fn rnn(&self) -> &Rnn {
        &self.rnn
    }

    /// The network, to be used by itself again.
    pub fn into_rnn(self) -> Rnn {
        self.rnn
    }
}
