//! The blocking calls: each waits for its `_async` twin on this thread. Browsers have no blocking calls.

use crate::gpu::Wait;
use crate::{
    Buffers, Call, CallGradients, EncodedSaved, Engine, EngineBuilder, GradientBuffers, Output,
    OutputGradients, Result, Rnn, Save, Saved, State, Stateful, Stream, Streams, Wanted,
};
use ndarray::{Array2, ArrayRef, ArrayView2, Dimension};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Waits for a future. Futures of the CPU engine, and futures that wait for the GPU in place, are ready at
/// the first poll, for which nothing is allocated. The function is inlined: a call of it would move the whole
/// future.
#[inline(always)]
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => pollster::block_on(future),
    }
}

/// # Blocking calls
impl Engine {
    /// The same as [`gpu_async`](Engine::gpu_async).
    ///
    /// # Errors
    /// The errors of [`gpu_async`](Engine::gpu_async).
    pub fn gpu() -> Result<Engine> {
        block_on(Engine::gpu_async())
    }

    /// The same as [`auto_async`](Engine::auto_async).
    pub fn auto() -> Engine {
        block_on(Engine::auto_async())
    }
}

/// # Blocking calls
impl EngineBuilder {
    /// The same as [`build_async`](EngineBuilder::build_async).
    ///
    /// # Errors
    /// The errors of [`build_async`](EngineBuilder::build_async).
    pub fn build(self) -> Result<Engine> {
        block_on(self.build_async())
    }
}

/// # Blocking calls
impl Rnn {
    /// Computes a call: an input, and everything that [`Call`] may have beside it.
    ///
    /// # Errors
    /// The errors of [`call_async`](Rnn::call_async).
    pub fn call(&self, call: &Call<'_>) -> Result<Output> {
        block_on(self.run(call, None, Wait::Here))
    }

    /// Computes an input `[T, N, I]` (`[N, T, I]` in layout NTC, `[T, I]` for a single sequence) from a
    /// state, or from zero or the learned state.
    ///
    /// # Errors
    /// The errors of [`call_async`](Rnn::call_async).
    pub fn forward<D: Dimension>(&self, input: &ArrayRef<f32, D>, state: Option<&State>) -> Result<Output> {
        self.call(&Call::new(input).state(state))
    }

    /// The same as [`warm_up_async`](Rnn::warm_up_async).
    ///
    /// # Errors
    /// The errors of [`warm_up_async`](Rnn::warm_up_async).
    pub fn warm_up(&self, steps: usize, batch: usize) -> Result<()> {
        block_on(self.run_warm_up(steps, batch, Wait::Here))
    }

    /// The same as [`forward_saved_async`](Rnn::forward_saved_async).
    ///
    /// # Errors
    /// The errors of [`forward_saved_async`](Rnn::forward_saved_async).
    pub fn forward_saved(&self, call: &Call<'_>) -> Result<(Output, Saved)> {
        block_on(self.run_saved(call, Save::Gates, Wait::Here))
    }

    /// The same as [`forward_saving_async`](Rnn::forward_saving_async).
    ///
    /// # Errors
    /// The errors of [`forward_saving_async`](Rnn::forward_saving_async).
    pub fn forward_saving(&self, call: &Call<'_>, save: Save) -> Result<(Output, Saved)> {
        block_on(self.run_saved(call, save, Wait::Here))
    }

    /// The same as [`backward_async`](Rnn::backward_async).
    ///
    /// # Errors
    /// The errors of [`backward_async`](Rnn::backward_async).
    pub fn backward(&self, saved: &mut Saved, given: &OutputGradients<'_>) -> Result<CallGradients> {
        block_on(self.run_backward(saved, given, &Wanted::all(), Wait::Here))
    }

    /// The same as [`backward_of_async`](Rnn::backward_of_async).
    ///
    /// # Errors
    /// The errors of [`backward_of_async`](Rnn::backward_of_async).
    pub fn backward_of(
        &self,
        saved: &mut Saved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
    ) -> Result<CallGradients> {
        block_on(self.run_backward(saved, given, wanted, Wait::Here))
    }

    /// Records a call into a caller's encoder, on the engine's device, from the caller's buffers to the
    /// caller's buffers: no submit, no wait, no copy on the host.
    ///
    /// ```
    /// use wgpu_rnn::{BufferArray, Buffers, Config, Engine, Init, Rnn, Weights};
    ///
    /// fn record(
    ///     (device, queue): (&wgpu::Device, &wgpu::Queue),
    ///     (input, output): (&wgpu::Buffer, &wgpu::Buffer),
    /// ) -> wgpu_rnn::Result<()> {
    ///     let config = Config::lstm(64).input_size(16);
    ///     let engine = Engine::from_device(device.clone(), queue.clone());
    ///     let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
    ///     let mut encoder = device.create_command_encoder(&Default::default());
    ///     let buffers = Buffers::new(10, 4, BufferArray::new(input)).output(BufferArray::new(output));
    ///     rnn.encode(&mut encoder, &buffers)?;
    ///     // Further passes of the caller's may read the output.
    ///     queue.submit([encoder.finish()]);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The first call of a shape makes its buffers, and of a set of buffers its bind groups; after that no
    /// object is made.
    ///
    /// # Errors
    /// The errors of [`encode_async`](Rnn::encode_async).
    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, buffers: &Buffers<'_>) -> Result<()> {
        block_on(self.encode_and_wait(encoder, buffers, Wait::Here))
    }

    /// Records a call as [`encode`](Rnn::encode) does, and keeps the states and pre-activations that its backward
    /// pass needs.
    ///
    /// ```
    /// use wgpu_rnn::{BufferArray, Buffers, Config, Engine, GradientBuffers, Init, Rnn, Save, Weights};
    ///
    /// fn record(
    ///     (device, queue): (&wgpu::Device, &wgpu::Queue),
    ///     [input, output, by_output, by_weights]: [&wgpu::Buffer; 4],
    /// ) -> wgpu_rnn::Result<()> {
    ///     let config = Config::lstm(64).input_size(16);
    ///     let engine = Engine::from_device(device.clone(), queue.clone());
    ///     let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
    ///     let mut encoder = device.create_command_encoder(&Default::default());
    ///     let buffers = Buffers::new(10, 4, BufferArray::new(input)).output(BufferArray::new(output));
    ///     let mut saved = rnn.encode_saved(&mut encoder, &buffers, Save::Gates)?;
    ///     // Here passes of the caller's make the gradient of a loss by the output.
    ///     let buffers = GradientBuffers::new()
    ///         .by_output(BufferArray::new(by_output))
    ///         .by_weights(BufferArray::new(by_weights)); // flat: Weights::places tells where each lies
    ///     rnn.encode_backward(&mut encoder, &mut saved, &buffers)?;
    ///     queue.submit([encoder.finish()]);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// The errors of [`encode_async`](Rnn::encode_async).
    pub fn encode_saved(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        save: Save,
    ) -> Result<EncodedSaved> {
        block_on(self.encode_saved_and_wait(encoder, buffers, save, Wait::Here))
    }

    /// The same as [`encode_backward_async`](Rnn::encode_backward_async).
    ///
    /// # Errors
    /// The errors of [`encode_backward_async`](Rnn::encode_backward_async).
    pub fn encode_backward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        saved: &mut EncodedSaved,
        buffers: &GradientBuffers<'_>,
    ) -> Result<()> {
        block_on(self.encode_backward_async(encoder, saved, buffers))
    }
}

/// # Blocking calls
impl Stateful {
    /// The same as [`Rnn::forward`], from the state of the last call.
    ///
    /// # Errors
    /// The errors of [`Rnn::call_async`], and [`Error::Shape`](crate::Error::Shape) for another batch size
    /// than the last call's.
    pub fn forward<D: Dimension>(&mut self, input: &ArrayRef<f32, D>) -> Result<Output> {
        self.call(&Call::new(input))
    }

    /// The same as [`Rnn::call`], from the state of the last call, or from the call's own state if the call
    /// has a state.
    ///
    /// # Errors
    /// The errors of [`Rnn::call_async`].
    pub fn call(&mut self, call: &Call<'_>) -> Result<Output> {
        block_on(self.run(call, Wait::Here))
    }
}

/// # Blocking calls
impl Streams {
    /// The same as [`new_async`](Streams::new_async).
    ///
    /// # Errors
    /// The errors of [`new_async`](Streams::new_async).
    pub fn new(rnn: Rnn, capacity: usize) -> Result<Streams> {
        block_on(Streams::new_async(rnn, capacity))
    }

    /// The same as [`join_async`](Streams::join_async).
    ///
    /// # Errors
    /// The errors of [`join_async`](Streams::join_async).
    pub fn join(&mut self) -> Result<Stream> {
        block_on(self.join_async())
    }

    /// The same as [`reset_async`](Streams::reset_async).
    ///
    /// # Errors
    /// The errors of [`reset_async`](Streams::reset_async).
    pub fn reset(&mut self, stream: Stream) -> Result<()> {
        block_on(self.reset_async(stream))
    }

    /// The same as [`load_async`](Streams::load_async).
    ///
    /// # Errors
    /// The errors of [`load_async`](Streams::load_async).
    pub fn load(&mut self, stream: Stream, state: &State) -> Result<()> {
        block_on(self.load_async(stream, state))
    }

    /// The same as [`save_async`](Streams::save_async).
    ///
    /// # Errors
    /// The errors of [`save_async`](Streams::save_async).
    pub fn save(&mut self, stream: Stream) -> Result<State> {
        block_on(self.save_async(stream))
    }

    /// The same as [`call_async`](Streams::call_async).
    ///
    /// # Errors
    /// The errors of [`call_async`](Streams::call_async).
    pub fn call(&mut self, steps: &[(Stream, ArrayView2<'_, f32>)]) -> Result<Vec<Array2<f32>>> {
        block_on(self.run(steps, Wait::Here))
    }
}
