//! The face of the library: a network on an engine.

use crate::call::Checked;
use crate::engine::Kind;
use crate::gpu::Wait;
use crate::plan::Schedule;
use crate::weights::Deferred;
use crate::{Call, Config, Engine, Error, Init, Output, Packed, Result, State, Weights, cpu, fast, gpu};
use ndarray::{ArrayRef, Dimension};

/// A stacked recurrent network with its weights on an engine.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Engine, Init, Layer};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let config = Config::gru(13).num_layers(2).bidirectional();
/// let mut layer = Layer::lazy(&Engine::auto(), &config, Init::pytorch())?;
/// let first = layer.forward(&Array3::ones((5, 3, 7)), None)?; // T 5, N 3, I 7
/// let next = layer.forward(&Array3::ones((4, 3, 7)), Some(&first.state()))?;
/// assert_eq!(next.output.dim(), (4, 3, 2 * 13));
/// assert_eq!(next.h_n.dim(), (2 * 2, 3, 13));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Layer {
    engine: Engine,
    weights: Drawn,
    network: Network,
}

/// What an engine keeps of a network.
#[derive(Debug)]
enum Network {
    Gpu(gpu::Network),
    Cpu(fast::Network),
    Reference,
}

#[derive(Debug)]
enum Drawn {
    Whole(Box<Weights>),
    /// Waits for the first input, which tells the input size.
    Waiting(Box<Deferred>),
}

impl Layer {
    /// A network of given weights. They go to the GPU at the first call, and stay there.
    pub fn new(engine: &Engine, weights: Weights) -> Layer {
        Layer::with(engine, Drawn::Whole(Box::new(weights)))
    }

    /// A network whose weights are drawn now, but for those that depend on an input size still open: these at the first
    /// call, as in Gluon.
    pub fn lazy(engine: &Engine, config: &Config, init: Init) -> Result<Layer> {
        let deferred = Deferred::new(config, init)?;
        let drawn = if config.input_size > 0 {
            Drawn::Whole(Box::new(deferred.finish(config.input_size)?))
        } else {
            Drawn::Waiting(Box::new(deferred))
        };
        Ok(Layer::with(engine, drawn))
    }

    fn with(engine: &Engine, weights: Drawn) -> Layer {
        let network = match engine.kind() {
            Kind::Gpu(gpu) => Network::Gpu(gpu::Network::new(gpu)),
            Kind::Cpu(cpu) => Network::Cpu(fast::Network::new(cpu)),
            Kind::Reference => Network::Reference,
        };
        Layer { engine: engine.clone(), weights, network }
    }

    /// Plans all calls from now on with a certain schedule, or, without one, with the best; for a CPU engine it means nothing.
    ///
    /// A call that it is not possible for gives [`Error::Setting`].
    pub fn set_schedule(&mut self, schedule: impl Into<Option<Schedule>>) {
        if let Network::Gpu(network) = &mut self.network {
            network.set_schedule(schedule.into());
        }
    }

    /// Runs the network over a whole sequence, and waits for the answer.
    ///
    /// `input` is `[T, N, I]` (`[N, T, I]` in layout NTC; `[T, I]` for one sequence), the state `[L*D, N, H]`, zero if not
    /// given. T and N may differ from call to call; the GPU keeps buffers for the last four pairs of them.
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) and [`Error::CellState`](crate::Error::CellState) name an input or a state of
    /// the wrong rank or size, [`Error::TooLarge`](crate::Error::TooLarge) what the adapter cannot hold.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        self.call(&Call::new(input).state(state))
    }

    /// As [`forward`](Layer::forward), for a call that may have lengths.
    ///
    /// # Errors
    /// Those of [`forward`](Layer::forward), and [`Error::Setting`](crate::Error::Setting) for a wrong length.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn call(&mut self, call: &Call<'_>) -> Result<Output> {
        pollster::block_on(self.run(call, None, Wait::Here))
    }

    /// As [`call`](Layer::call), with lengths that are on the GPU already: N u32 or non-negative i32, from the start of a
    /// buffer with usage `COPY_SRC` on the engine's device. They are not read back, so that all T steps are computed; a
    /// length over T counts as T.
    ///
    /// # Errors
    /// Also [`Error::Setting`](crate::Error::Setting) if the engine is no GPU, the buffer too small or without `COPY_SRC`, or
    /// lengths are given on the host as well.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn call_with_lengths_on_gpu(&mut self, call: &Call<'_>, lengths: &wgpu::Buffer) -> Result<Output> {
        pollster::block_on(self.run(call, Some(lengths), Wait::Here))
    }

    /// As [`call_with_lengths_on_gpu`](Layer::call_with_lengths_on_gpu), without holding up the thread while the GPU works.
    pub async fn call_with_lengths_on_gpu_async(
        &mut self,
        call: &Call<'_>,
        lengths: &wgpu::Buffer,
    ) -> Result<Output> {
        self.run(call, Some(lengths), Wait::Elsewhere).await
    }

    /// Runs the network over packed sequences, and gives the output packed in the same way beside the whole answer. The
    /// lengths are what `batch_sizes` tell.
    ///
    /// # Errors
    /// As [`call`](Layer::call), and [`Error::Setting`](crate::Error::Setting) for `batch_sizes` that do not fit.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_packed(&mut self, packed: &Packed, state: Option<&State>) -> Result<(Packed, Output)> {
        pollster::block_on(self.run_packed(packed, state, Wait::Here))
    }

    /// As [`forward_packed`](Layer::forward_packed), without holding up the thread while the GPU works.
    pub async fn forward_packed_async(
        &mut self,
        packed: &Packed,
        state: Option<&State>,
    ) -> Result<(Packed, Output)> {
        self.run_packed(packed, state, Wait::Elsewhere).await
    }

    async fn run_packed(
        &mut self,
        packed: &Packed,
        state: Option<&State>,
        wait: Wait,
    ) -> Result<(Packed, Output)> {
        let padded = packed.padded(self.config())?;
        let answer = self.run(&padded.call(state), None, wait).await?;
        padded.pack(self.config(), answer)
    }

    /// As [`forward`](Layer::forward), without holding up the thread while the GPU works.
    ///
    /// A future that is dropped before its end leaves the layer as it was, but for weights that it has drawn.
    pub async fn forward_async<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        self.call_async(&Call::new(input).state(state)).await
    }

    /// As [`call`](Layer::call), without holding up the thread while the GPU works.
    pub async fn call_async(&mut self, call: &Call<'_>) -> Result<Output> {
        self.run(call, None, Wait::Elsewhere).await
    }

    async fn run(&mut self, call: &Call<'_>, lengths: Option<&wgpu::Buffer>, wait: Wait) -> Result<Output> {
        let checked = self.config().checked(call)?;
        if let Some(buffer) = lengths {
            check_lengths_on_gpu(buffer, &checked, self.engine.is_gpu())?;
        }
        let weights = self.weights.at(checked.input.dim().2)?;
        match &mut self.network {
            Network::Gpu(network) => network.forward(weights, &checked, lengths, wait).await,
            Network::Cpu(network) => network.call(weights, &checked),
            Network::Reference => cpu::call(weights, call),
        }
    }

    /// What the network is; its input size is 0 while it is open.
    pub fn config(&self) -> &Config {
        match &self.weights {
            Drawn::Whole(weights) => weights.config(),
            Drawn::Waiting(deferred) => deferred.config(),
        }
    }

    /// The weights, once they are all drawn.
    pub fn weights(&self) -> Option<&Weights> {
        match &self.weights {
            Drawn::Whole(weights) => Some(weights),
            Drawn::Waiting(_) => None,
        }
    }

    /// The engine that computes it.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }
}

impl Drawn {
    /// All weights, drawing what waited for the input size.
    fn at(&mut self, input_size: usize) -> Result<&Weights> {
        if let Drawn::Waiting(deferred) = self {
            *self = Drawn::Whole(Box::new(deferred.as_ref().clone().finish(input_size)?));
        }
        match self {
            Drawn::Whole(weights) => Ok(weights),
            Drawn::Waiting(_) => unreachable!("drawn just above"),
        }
    }
}

fn check_lengths_on_gpu(buffer: &wgpu::Buffer, call: &Checked<'_, f32>, is_gpu: bool) -> Result<()> {
    let refuse = |expected: String, found: String| Err(Error::Setting { name: "lengths", expected, found });
    let needed = 4 * call.batch() as u64;
    if !is_gpu {
        return refuse("lengths on the host, for an engine that is no GPU".into(), "a GPU buffer".into());
    }
    if call.lengths.is_some() {
        return refuse("lengths on the host or on the GPU".into(), "both".into());
    }
    if buffer.size() < needed {
        return refuse(format!("a buffer of at least {needed} bytes"), buffer.size().to_string());
    }
    if !buffer.usage().contains(wgpu::BufferUsages::COPY_SRC) {
        return refuse("a buffer with usage COPY_SRC".into(), format!("{:?}", buffer.usage()));
    }
    Ok(())
}
