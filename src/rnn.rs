//! The face of the library: a network on an engine.

use crate::buffers;
use crate::call::Checked;
use crate::engine::Backend;
use crate::gpu::{Options, Resident};
use crate::plan::{PassTime, Tuning};
use crate::weights::Deferred;
use crate::{
    BufferNeed, Buffers, Call, Config, Engine, Error, Init, Output, Packed, Result, State, Weights, cpu, gpu,
    reference,
};
use ndarray::{ArrayRef, Dimension};

/// A stacked recurrent network with its weights on an engine.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let config = Config::gru(13).num_layers(2).bidirectional();
/// let mut rnn = Rnn::lazy(&Engine::auto(), &config, Init::pytorch())?;
/// let first = rnn.forward(&Array3::ones((5, 3, 7)), None)?; // T 5, N 3, I 7
/// let next = rnn.forward(&Array3::ones((4, 3, 7)), Some(&first.state()))?;
/// assert_eq!(next.output.dim(), (4, 3, 2 * 13));
/// assert_eq!(next.h_n.dim(), (2 * 2, 3, 13));
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Rnn {
    engine: Engine,
    weights: Drawn,
    network: EngineRnn,
}

/// What an engine keeps of a network.
#[derive(Debug)]
enum EngineRnn {
    Gpu(gpu::GpuRnn),
    Cpu(cpu::CpuRnn),
    Reference,
}

#[derive(Debug)]
enum Drawn {
    Whole(Box<Weights>),
    /// Waits for the first input, which tells the input size.
    Waiting(Box<Deferred>),
}

impl Rnn {
    /// A network of given weights. They go to the GPU at the first call, and stay there.
    pub fn new(engine: &Engine, weights: Weights) -> Rnn {
        Rnn::with(engine, Drawn::Whole(Box::new(weights)))
    }

    /// A network whose weights are drawn now, but for those that depend on an input size still open: these at the first
    /// call, as in Gluon.
    pub fn lazy(engine: &Engine, config: &Config, init: Init) -> Result<Rnn> {
        let deferred = Deferred::new(config, init)?;
        let drawn = if config.input_size > 0 {
            Drawn::Whole(Box::new(deferred.finish(config.input_size)?))
        } else {
            Drawn::Waiting(Box::new(deferred))
        };
        Ok(Rnn::with(engine, drawn))
    }

    fn with(engine: &Engine, weights: Drawn) -> Rnn {
        let network = match engine.backend() {
            Backend::Gpu(gpu) => EngineRnn::Gpu(gpu::GpuRnn::new(gpu)),
            Backend::Cpu(cpu) => EngineRnn::Cpu(cpu::CpuRnn::new(cpu)),
            Backend::Reference => EngineRnn::Reference,
        };
        Rnn { engine: engine.clone(), weights, network }
    }

    /// Plans all calls from now on with a certain schedule or certain tiles, or, with [`Tuning::default`], with the best; for a
    /// CPU engine it means nothing.
    ///
    /// A call that it is not possible for gives [`Error::Setting`].
    pub fn set_tuning(&mut self, tuning: impl Into<Tuning>) {
        if let EngineRnn::Gpu(network) = &mut self.network {
            network.set_tuning(tuning.into());
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

    /// As [`forward`](Rnn::forward), for a call that may have lengths.
    ///
    /// # Errors
    /// Those of [`forward`](Rnn::forward), and [`Error::Setting`](crate::Error::Setting) for a wrong length.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn call(&mut self, call: &Call<'_>) -> Result<Output> {
        Ok(pollster::block_on(self.run(call, &Options::new(true)))?.0)
    }

    /// As [`call`](Rnn::call), with lengths that are on the GPU already: N u32 or non-negative i32, from the start of a
    /// buffer with usage `COPY_SRC` on the engine's device. They are not read back, so that all T steps are computed; a
    /// length over T counts as T.
    ///
    /// # Errors
    /// Also [`Error::Setting`](crate::Error::Setting) if the engine is no GPU, the buffer too small or without `COPY_SRC`, or
    /// lengths are given on the host as well.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn call_with_lengths_on_gpu(&mut self, call: &Call<'_>, lengths: &wgpu::Buffer) -> Result<Output> {
        let options = Options { lengths: Some(lengths), ..Options::new(true) };
        Ok(pollster::block_on(self.run(call, &options))?.0)
    }

    /// As [`call_with_lengths_on_gpu`](Rnn::call_with_lengths_on_gpu), without holding up the thread while the GPU works.
    pub async fn call_with_lengths_on_gpu_async(
        &mut self,
        call: &Call<'_>,
        lengths: &wgpu::Buffer,
    ) -> Result<Output> {
        Ok(self.run(call, &Options { lengths: Some(lengths), ..Options::new(false) }).await?.0)
    }

    /// Runs the network over packed sequences, and gives the output packed in the same way beside the whole answer. The
    /// lengths are what `batch_sizes` tell.
    ///
    /// # Errors
    /// As [`call`](Rnn::call), and [`Error::Setting`](crate::Error::Setting) for `batch_sizes` that do not fit.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn forward_packed(&mut self, packed: &Packed, state: Option<&State>) -> Result<(Packed, Output)> {
        pollster::block_on(self.run_packed(packed, state, true))
    }

    /// As [`forward_packed`](Rnn::forward_packed), without holding up the thread while the GPU works.
    pub async fn forward_packed_async(
        &mut self,
        packed: &Packed,
        state: Option<&State>,
    ) -> Result<(Packed, Output)> {
        self.run_packed(packed, state, false).await
    }

    async fn run_packed(
        &mut self,
        packed: &Packed,
        state: Option<&State>,
        here: bool,
    ) -> Result<(Packed, Output)> {
        let padded = packed.padded(self.config())?;
        let (answer, _) = self.run(&padded.call(state), &Options::new(here)).await?;
        padded.pack(self.config(), answer)
    }

    /// As [`forward`](Rnn::forward), without holding up the thread while the GPU works.
    ///
    /// A future that is dropped before its end leaves the layer as it was, but for weights that it has drawn.
    pub async fn forward_async<D: Dimension>(
        &mut self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        self.call_async(&Call::new(input).state(state)).await
    }

    /// As [`call`](Rnn::call), without holding up the thread while the GPU works.
    pub async fn call_async(&mut self, call: &Call<'_>) -> Result<Output> {
        Ok(self.run(call, &Options::new(false)).await?.0)
    }

    /// As [`call`](Rnn::call), and how long each pass of it took by the GPU's own clock: for finding out, not for use, since
    /// it makes objects and waits twice. The answer to a network that is not on a GPU has no passes.
    ///
    /// # Errors
    /// Also [`Error::Setting`](crate::Error::Setting) if the adapter has no `TIMESTAMP_QUERY`.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn profile(&mut self, call: &Call<'_>) -> Result<(Output, Vec<PassTime>)> {
        pollster::block_on(self.run(call, &Options { is_timed: true, ..Options::new(true) }))
    }

    /// As [`profile`](Rnn::profile), without holding up the thread while the GPU works.
    pub async fn profile_async(&mut self, call: &Call<'_>) -> Result<(Output, Vec<PassTime>)> {
        self.run(call, &Options { is_timed: true, ..Options::new(false) }).await
    }

    /// Runs a call on whatever the engine is.
    pub(crate) async fn run(
        &mut self,
        call: &Call<'_>,
        options: &Options<'_>,
    ) -> Result<(Output, Vec<PassTime>)> {
        let checked = self.config().checked(call)?;
        if let Some(buffer) = options.lengths {
            check_lengths_on_gpu(buffer, &checked, self.engine.is_gpu())?;
        }
        let weights = self.weights.at(checked.input.dim().2)?;
        match &mut self.network {
            EngineRnn::Gpu(network) => network.forward(weights, &checked, options).await,
            EngineRnn::Cpu(network) => Ok((network.call(weights, &checked)?, Vec::new())),
            EngineRnn::Reference => Ok((reference::call(weights, call)?, Vec::new())),
        }
    }

    /// Records a call into an encoder of the caller's, on the engine's device ([`Engine::from_device`](crate::Engine::from_device)),
    /// from buffers to buffers: no submit, no wait, no copy on the host, and no object made after the first call of a shape
    /// with the same buffers (of the last eight sets). A network whose input size is open takes it from its weights only.
    ///
    /// An engine that is [`tuned`](crate::EngineBuilder::tuned) measures at the first call of a size, which does submit and wait. What
    /// it does not give are the layers below the last ([`Config::every_layer`]) and a last output that is merged by number.
    ///
    /// Of a long sequence all steps are in the one encoder; over some 256 of them on a slow GPU, a driver's watchdog may
    /// want it cut into several calls that hand the state on.
    ///
    /// ```
    /// use wgpu_rnn::{BufferArray, Buffers, Config, Engine, Init, Rnn, Weights};
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let engine = Engine::gpu()?;
    /// # let (device, queue) = (engine.device().unwrap().clone(), engine.queue().unwrap().clone());
    /// let config = Config::gru(13).input_size(7);
    /// let mut rnn = Rnn::new(&Engine::from_device(device.clone(), queue.clone()), Weights::init(&config, &Init::pytorch())?);
    /// let make = |size, usage| device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
    /// let input = make(4 * 5 * 3 * 7, wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_DST); // T 5, N 3, I 7
    /// let output = make(4 * 5 * 3 * 13, wgpu::BufferUsages::STORAGE);
    /// let mut encoder = device.create_command_encoder(&Default::default());
    /// rnn.encode(&mut encoder, &Buffers::new(5, 3, BufferArray::new(&input)).output(BufferArray::new(&output)))?;
    /// queue.submit([encoder.finish()]); // with whatever else the program records
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) names an array that is too small, misaligned or without the usage that it needs,
    /// [`Error::Gpu`](crate::Error::Gpu) tells of a buffer of another device; nothing has been recorded then.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn encode(&mut self, encoder: &mut wgpu::CommandEncoder, buffers: &Buffers<'_>) -> Result<()> {
        pollster::block_on(self.encode_async(encoder, buffers))
    }

    /// As [`encode`](Rnn::encode), for an async program or a browser.
    pub async fn encode_async(
        &mut self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
    ) -> Result<()> {
        self.config().check()?;
        let weights = self.weights.now()?;
        let EngineRnn::Gpu(network) = &mut self.network else {
            let (expected, found) = ("a GPU, for a call on buffers".into(), self.engine.name().into());
            return Err(Error::Setting { name: "engine", expected, found });
        };
        let arrays = buffers::check(weights.config(), buffers, network.gpu().limits.f16)?;
        network.encode(weights, encoder, (buffers.steps, buffers.batch), arrays).await
    }

    /// The arrays that a call on buffers of T steps for a batch of N can have, and what each needs.
    pub fn buffer_needs(&self, steps: usize, batch: usize) -> Vec<BufferNeed> {
        buffers::needs(self.config(), steps, batch)
    }

    /// What a call without a state starts from.
    pub(crate) fn initial_state(&mut self, batch: usize) -> Result<State> {
        self.weights.now()?.initial_state(batch)
    }

    /// States that stay on the GPU; none where the engine is not one.
    pub(crate) async fn resident(&mut self, batch: usize) -> Result<Option<Resident>> {
        let weights = self.weights.now()?;
        match &self.network {
            EngineRnn::Gpu(network) => Ok(Some(network.resident(weights, batch).await?)),
            EngineRnn::Cpu(_) | EngineRnn::Reference => Ok(None),
        }
    }

    /// The network on the GPU, for states that have been made there.
    pub(crate) fn on_gpu(&self) -> Option<&gpu::GpuRnn> {
        match &self.network {
            EngineRnn::Gpu(network) => Some(network),
            EngineRnn::Cpu(_) | EngineRnn::Reference => None,
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
    /// All weights, where no input tells the input size.
    fn now(&self) -> Result<&Weights> {
        match self {
            Drawn::Whole(weights) => Ok(weights),
            Drawn::Waiting(_) => {
                let (expected, found) = ("a known one, for a call without an input".into(), "0".into());
                Err(Error::Setting { name: "input_size", expected, found })
            }
        }
    }

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
