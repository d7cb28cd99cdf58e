//! wgpu-rnn as a native program has it: every blocking call waits for its `_async` twin, which is all that a
//! browser has. The types stand for those of the library, and are theirs in everything else.

use libtest_mimic::block_on;
use ndarray::{Array2, ArrayRef, ArrayView2, Dimension};
use std::ops::{Deref, DerefMut};
pub use wgpu_rnn::*;

macro_rules! stands_for {
    ($($name:ident),*) => {$(
        impl Deref for $name {
            type Target = wgpu_rnn::$name;

            fn deref(&self) -> &wgpu_rnn::$name {
                &self.0
            }
        }

        impl DerefMut for $name {
            fn deref_mut(&mut self) -> &mut wgpu_rnn::$name {
                &mut self.0
            }
        }
    )*};
}

stands_for!(Engine, Rnn, Streams);

#[derive(Clone, Debug)]
pub struct Engine(wgpu_rnn::Engine);

impl Engine {
    pub fn gpu() -> Result<Engine> {
        block_on(wgpu_rnn::Engine::gpu_async()).map(Engine)
    }

    pub fn cpu() -> Engine {
        Engine(wgpu_rnn::Engine::cpu())
    }

    pub fn reference() -> Engine {
        Engine(wgpu_rnn::Engine::reference())
    }

    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Engine {
        Engine(wgpu_rnn::Engine::from_device(device, queue))
    }

    pub fn builder() -> EngineBuilder {
        EngineBuilder(wgpu_rnn::Engine::builder())
    }
}

#[derive(Clone, Debug)]
pub struct EngineBuilder(wgpu_rnn::EngineBuilder);

impl EngineBuilder {
    #[must_use]
    pub fn adapter_name(self, name: impl Into<String>) -> EngineBuilder {
        EngineBuilder(self.0.adapter_name(name))
    }

    #[must_use]
    pub fn webgpu_defaults(self) -> EngineBuilder {
        EngineBuilder(self.0.webgpu_defaults())
    }

    #[must_use]
    pub fn unchecked(self) -> EngineBuilder {
        EngineBuilder(self.0.unchecked())
    }

    #[must_use]
    pub fn machine(self, machine: Machine) -> EngineBuilder {
        EngineBuilder(self.0.machine(machine))
    }

    pub fn build(self) -> Result<Engine> {
        block_on(self.0.build_async()).map(Engine)
    }
}

#[derive(Clone, Debug)]
pub struct Rnn(wgpu_rnn::Rnn);

impl Rnn {
    pub fn new(engine: &wgpu_rnn::Engine, weights: Weights) -> Rnn {
        Rnn(wgpu_rnn::Rnn::new(engine, weights))
    }

    pub fn lazy(engine: &wgpu_rnn::Engine, config: &Config, init: Init) -> Result<Rnn> {
        wgpu_rnn::Rnn::lazy(engine, config, init).map(Rnn)
    }

    pub fn with_dtype(self, dtype: Dtype) -> Result<Rnn> {
        self.0.with_dtype(dtype).map(Rnn)
    }

    pub fn with_tuning(self, tuning: impl Into<Tuning>) -> Result<Rnn> {
        self.0.with_tuning(tuning).map(Rnn)
    }

    pub fn call(&self, call: &Call<'_>) -> Result<Output> {
        block_on(self.0.call_async(call))
    }

    pub fn forward<D: Dimension>(&self, input: &ArrayRef<f32, D>, state: Option<&State>) -> Result<Output> {
        block_on(self.0.forward_async(input, state))
    }

    pub fn warm_up(&self, steps: usize, batch: usize) -> Result<()> {
        block_on(self.0.warm_up_async(steps, batch))
    }

    pub fn forward_saved(&self, call: &Call<'_>) -> Result<(Output, Saved)> {
        block_on(self.0.forward_saved_async(call))
    }

    pub fn forward_saving(&self, call: &Call<'_>, save: Save) -> Result<(Output, Saved)> {
        block_on(self.0.forward_saving_async(call, save))
    }

    pub fn backward(&self, saved: &mut Saved, given: &OutputGradients<'_>) -> Result<CallGradients> {
        block_on(self.0.backward_async(saved, given))
    }

    pub fn backward_of(
        &self,
        saved: &mut Saved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
    ) -> Result<CallGradients> {
        block_on(self.0.backward_of_async(saved, given, wanted))
    }

    pub fn encode(&self, encoder: &mut wgpu::CommandEncoder, buffers: &Buffers<'_>) -> Result<()> {
        block_on(self.0.encode_async(encoder, buffers))
    }

    pub fn encode_saved(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        save: Save,
    ) -> Result<EncodedSaved> {
        block_on(self.0.encode_saved_async(encoder, buffers, save))
    }

    pub fn encode_backward(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        saved: &mut EncodedSaved,
        buffers: &GradientBuffers<'_>,
    ) -> Result<()> {
        block_on(self.0.encode_backward_async(encoder, saved, buffers))
    }
}

#[derive(Debug)]
pub struct Streams(wgpu_rnn::Streams);

impl Streams {
    pub fn new(rnn: Rnn, capacity: usize) -> Result<Streams> {
        block_on(wgpu_rnn::Streams::new_async(rnn.0, capacity)).map(Streams)
    }

    pub fn join(&mut self) -> Result<Stream> {
        block_on(self.0.join_async())
    }

    pub fn reset(&mut self, stream: Stream) -> Result<()> {
        block_on(self.0.reset_async(stream))
    }

    pub fn load(&mut self, stream: Stream, state: &State) -> Result<()> {
        block_on(self.0.load_async(stream, state))
    }

    pub fn save(&mut self, stream: Stream) -> Result<State> {
        block_on(self.0.save_async(stream))
    }

    pub fn call(&mut self, steps: &[(Stream, ArrayView2<'_, f32>)]) -> Result<Vec<Array2<f32>>> {
        block_on(self.0.call_async(steps))
    }
}
