//! A network that goes on from the state of its last call.

use crate::gpu::Wait;
use crate::{Call, Output, Result, Rnn, State};
use ndarray::{ArrayRef, Dimension};

/// A network whose state is carried from call to call (Keras `stateful=True`), for a sequence that arrives in
/// pieces.
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
/// All calls up to a reset have the same batch. A call that fails leaves the state unchanged.
#[derive(Debug)]
pub struct Stateful {
    rnn: Rnn,
    state: Option<State>,
}

impl Stateful {
    /// Begins with the learned state or with zeros.
    pub fn new(rnn: Rnn) -> Stateful {
        Stateful { rnn, state: None }
    }

    /// The same as [`Rnn::call_async`], from the state of the last call, or from the call's own state if the
    /// call has a state.
    ///
    /// # Errors
    /// The errors of [`Rnn::call_async`], and [`Error::Shape`](crate::Error::Shape) for another batch size
    /// than the last call's.
    pub async fn call_async(&mut self, call: &Call<'_>) -> Result<Output> {
        self.run(call, Wait::Elsewhere).await
    }

    /// The same as [`call_async`](Stateful::call_async), of an input alone.
    ///
    /// # Errors
    /// The errors of [`call_async`](Stateful::call_async).
    pub async fn forward_async<D: Dimension>(&mut self, input: &ArrayRef<f32, D>) -> Result<Output> {
        self.call_async(&Call::new(input)).await
    }

    pub(crate) async fn run(&mut self, call: &Call<'_>, wait: Wait) -> Result<Output> {
        let answer = self.rnn.run(&call.or_state(self.state.as_ref()), None, wait).await?;
        self.state = Some(answer.state());
        Ok(answer)
    }

    /// The state at the end of the last call; none after a reset.
    pub fn state(&self) -> Option<&State> {
        self.state.as_ref()
    }

    /// Sets the state: h `[L*D, N, H]` (P with a projection), and c `[L*D, N, H]` of an LSTM. The next call
    /// refuses a state that does not fit.
    pub fn set_state(&mut self, state: State) {
        self.state = Some(state);
    }

    /// Begins again, with the learned state or with zeros.
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
