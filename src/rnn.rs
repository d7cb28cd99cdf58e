//! A network on an engine.

mod set_weights;
mod warm_up;

use crate::call::Checked;
use crate::cpu::CpuRnn;
use crate::engine::Backend;
use crate::gpu::{GpuRnn, Resident, Setup, Wait};
use crate::identity::Identity;
use crate::interop::{self, BufferNeed, Buffers};
use crate::network::{Dtype, Network};
use crate::plan::{Limits, Plan, Tuning, Workload};
use crate::weights::Deferred;
use crate::{Call, Config, Engine, Error, Init, Output, Result, State, Weights, reference};
use ndarray::{ArrayRef, Dimension};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A stacked, bidirectional recurrent network on an engine.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Config, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let config = Config::lstm(100).num_layers(3).bidirectional();
/// let lstm = Rnn::lazy(&Engine::auto(), &config, Init::pytorch())?; // input size from the first input
/// let answer = lstm.forward(&Array3::ones((5, 3, 20)), None)?; // T 5, N 3, I 20
/// assert_eq!(answer.output.dim(), (5, 3, 200)); // [T, N, D*H]
/// assert_eq!(answer.h_n.dim(), (6, 3, 100)); // [L*D, N, H]
/// # Ok(())
/// # }
/// ```
///
/// A clone shares weights, on the host and on the device, and the buffers of calls; clones and references may
/// be used by several threads at once. Calls of one shape reuse the buffers of earlier calls; the buffers of
/// the last four shapes are kept.
#[derive(Clone, Debug)]
pub struct Rnn {
    shared: Arc<Shared>,
    setup: Setup,
}

#[derive(Debug)]
pub(crate) struct Shared {
    engine: Engine,
    config: Config,
    /// The network as far as it is known before the first call.
    network: Network,
    drawn: Arc<Drawn>,
    pub identity: Identity,
    pub on_engine: OnEngine,
}

/// The weights, which the same network of another dtype shares.
#[derive(Debug, Default)]
struct Drawn {
    weights: OnceLock<Arc<Weights>>,
    /// The weights while they wait for the input size.
    deferred: Mutex<Option<Deferred>>,
}

/// The network's own part of each engine.
#[derive(Debug)]
pub(crate) enum OnEngine {
    Gpu(Box<GpuRnn>),
    Cpu(CpuRnn),
    Reference,
}

/// # Making a network
impl Rnn {
    /// A network of these weights.
    pub fn new(engine: &Engine, weights: Weights) -> Rnn {
        Rnn::of(engine, Arc::new(weights))
    }

    fn of(engine: &Engine, weights: Arc<Weights>) -> Rnn {
        let (config, network) = (weights.config().clone(), weights.network().clone());
        let drawn = Drawn { weights: OnceLock::from(weights), ..Drawn::default() };
        Rnn::with(engine, config, network, Arc::new(drawn))
    }

    /// A network whose weights are drawn by an initialiser: at once, or, where the configuration leaves the
    /// input size open, at the first call (Gluon's deferred initialisation).
    ///
    /// # Errors
    /// [`Error::Setting`] for a configuration that no network can have, [`Error::Memory`] where its weights
    /// cannot be had.
    pub fn lazy(engine: &Engine, config: &Config, init: Init) -> Result<Rnn> {
        let deferred = Deferred::new(config, init)?;
        if config.input_size > 0 {
            return Ok(Rnn::new(engine, deferred.finish(config.input_size)?));
        }
        let network = deferred.network().clone();
        let drawn = Drawn { deferred: Mutex::new(Some(deferred)), ..Drawn::default() };
        Ok(Rnn::with(engine, config.clone(), network, Arc::new(drawn)))
    }

    fn with(engine: &Engine, config: Config, network: Network, drawn: Arc<Drawn>) -> Rnn {
        let on_engine = match engine.backend() {
            Backend::Gpu(gpu) => OnEngine::Gpu(Box::new(GpuRnn::new(gpu))),
            Backend::Cpu(cpu) => OnEngine::Cpu(CpuRnn::new(cpu)),
            Backend::Reference => OnEngine::Reference,
        };
        let identity = Identity::new();
        let shared = Shared { engine: engine.clone(), config, network, drawn, identity, on_engine };
        Rnn { shared: Arc::new(shared), setup: Setup::default() }
    }

    /// The same network with weights, input, hidden states and outputs stored as another type: see [`Dtype`].
    /// Weights on the host stay f32, and are shared.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for f16 on an engine that is no GPU with `SHADER_F16`. A weight that f16 cannot
    /// hold is an [`Error::OutOfRange`] of the call.
    pub fn with_dtype(mut self, dtype: Dtype) -> Result<Rnn> {
        let limits = self.engine().limits();
        if dtype == Dtype::F16 && !limits.is_some_and(|limits| limits.f16) {
            let (expected, found) = ("f32, or an engine with SHADER_F16".into(), self.engine().name().into());
            return Err(Error::Unsupported { name: "dtype", expected, found });
        }
        if dtype != self.setup.dtype {
            // Packed weights belong to one type.
            let Shared { engine, config, network, drawn, .. } = &*self.shared;
            let setup = Setup { dtype, ..self.setup };
            self = Rnn { setup, ..Rnn::with(engine, config.clone(), network.clone(), drawn.clone()) };
        }
        Ok(self)
    }

    /// The same network with a schedule or tiles by name, instead of the plan's choice. A clone has its own.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on an engine that is no GPU. A schedule or tile that the network or the adapter
    /// cannot have is an [`Error::Unsupported`] of the call.
    pub fn with_tuning(mut self, tuning: impl Into<Tuning>) -> Result<Rnn> {
        let tuning = tuning.into();
        if tuning != Tuning::default() {
            self.gpu("tuning")?;
        }
        self.setup.tuning = tuning;
        Ok(self)
    }
}

/// # Calling
impl Rnn {
    /// Computes a call without holding up the thread while the GPU works; [`call`](Rnn::call) blocks instead.
    ///
    /// A future that is dropped before its end leaves the network unchanged. Weights that the call has drawn
    /// stay.
    ///
    /// # Errors
    /// [`Error::Shape`] and [`Error::CellState`] for an input or a state that does not fit,
    /// [`Error::Argument`] for another argument, [`Error::Buffer`] for lengths on the GPU,
    /// [`Error::Unsupported`] for a call that the engine cannot do, [`Error::OutOfRange`] for an input, a
    /// state or a weight that the dtype cannot hold, [`Error::TooLarge`], [`Error::Memory`] and
    /// [`Error::OutOfMemory`] for a call that the engine or memory cannot hold, [`Error::DeviceLost`] once
    /// the device is lost.
    pub async fn call_async(&self, call: &Call<'_>) -> Result<Output> {
        self.run(call, None, Wait::Elsewhere).await
    }

    /// The same as [`call_async`](Rnn::call_async), of an input and the state to start from.
    ///
    /// # Errors
    /// The errors of [`call_async`](Rnn::call_async).
    pub async fn forward_async<D: Dimension>(
        &self,
        input: &ArrayRef<f32, D>,
        state: Option<&State>,
    ) -> Result<Output> {
        self.call_async(&Call::new(input).state(state)).await
    }

    pub(crate) async fn run(
        &self,
        call: &Call<'_>,
        resident: Option<&Resident>,
        wait: Wait,
    ) -> Result<Output> {
        let checked = self.network().checked(call)?;
        let weights = self.weights_for(&checked)?;
        match &self.shared.on_engine {
            OnEngine::Gpu(gpu) => gpu.forward(weights, &checked, &self.setup, resident, wait).await,
            OnEngine::Cpu(cpu) => cpu.call(weights, &checked, None),
            OnEngine::Reference => reference::call(weights, call),
        }
    }

    /// Records a call into a caller's encoder, on the engine's device, from the caller's buffers to the
    /// caller's buffers: no submit, no wait, no copy on the host. [`encode`](Rnn::encode) has an example.
    ///
    /// # Errors
    /// [`Error::Buffer`] for an array that cannot be used, [`Error::Argument`] for an array that the network
    /// does not have, [`Error::InputSizeOpen`] while the input size is open, [`Error::Unsupported`] on an
    /// engine that is no GPU, [`Error::OutOfRange`] for a weight that the dtype cannot hold,
    /// [`Error::TooLarge`], [`Error::Memory`] and [`Error::OutOfMemory`] for a call that memory or adapter
    /// cannot hold, and [`Error::DeviceLost`] once the engine's own device is lost. Nothing is recorded then.
    /// The loss of a caller's device ([`Engine::from_device`]) is told by wgpu, and not by this call.
    pub async fn encode_async(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
    ) -> Result<()> {
        self.encode_and_wait(encoder, buffers, Wait::Elsewhere).await
    }

    pub(crate) async fn encode_and_wait(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        wait: Wait,
    ) -> Result<()> {
        let weights = self.known_weights()?;
        let gpu = self.gpu("encode")?;
        let arrays = interop::check(weights.network(), buffers, gpu.limits().f16)?;
        gpu.encode(weights, encoder, buffers, arrays, &self.setup, wait).await
    }

    /// The buffers that an encoded call of T steps for a batch of N may have: name, shape, bytes and usage of
    /// each.
    ///
    /// # Errors
    /// [`Error::InputSizeOpen`] while the input size is open.
    pub fn buffer_needs(&self, steps: usize, batch: usize) -> Result<Vec<BufferNeed>> {
        let [call, _] = interop::needs(self.known_weights()?.network(), steps, batch);
        Ok(call)
    }

    /// The same of the backward pass of a saved call.
    ///
    /// # Errors
    /// [`Error::InputSizeOpen`] while the input size is open.
    pub fn gradient_buffer_needs(&self, steps: usize, batch: usize) -> Result<Vec<BufferNeed>> {
        let [_, backward] = interop::needs(self.known_weights()?.network(), steps, batch);
        Ok(backward)
    }

    /// The plan of a call of T steps for a batch of N, with this network's dtype and tuning: to print, or to
    /// count dispatches.
    ///
    /// # Errors
    /// [`Error::Unsupported`] on an engine that is no GPU, [`Error::InputSizeOpen`] while the input size is
    /// open, [`Error::TooLarge`] for a call that the adapter cannot hold.
    pub fn plan(&self, steps: usize, batch: usize) -> Result<Plan> {
        let limits: Limits = *self.gpu("plan")?.limits();
        let Setup { dtype, tuning } = self.setup;
        let workload = Workload { dtype, tuning, ..Workload::new(steps, batch) };
        Plan::of_network(self.known_weights()?.network(), &workload, &limits)
    }
}

/// # Properties
impl Rnn {
    /// The configuration. An input size that was left open is 0 until the first call.
    pub fn config(&self) -> &Config {
        self.weights().map_or(&self.shared.config, Weights::config)
    }

    /// The weights; none while they wait for the input size.
    pub fn weights(&self) -> Option<&Weights> {
        self.shared.drawn.weights.get().map(|weights| &**weights)
    }

    /// The weights, to be used elsewhere: without a copy, if no clone shares the weights. None while they
    /// wait for the input size.
    pub fn into_weights(self) -> Option<Weights> {
        let drawn = match Arc::try_unwrap(self.shared) {
            Ok(shared) => shared.drawn,
            Err(shared) => shared.drawn.clone(),
        };
        let weights = match Arc::try_unwrap(drawn) {
            Ok(mut drawn) => drawn.weights.take(),
            Err(drawn) => drawn.weights.get().cloned(),
        };
        weights.map(Arc::unwrap_or_clone)
    }

    /// The engine.
    pub fn engine(&self) -> &Engine {
        &self.shared.engine
    }

    /// Frees the buffers that are kept for further calls, and the packed weights of the CPU engine; the next
    /// call of a shape makes its own again. The weights stay, on the host and on a GPU.
    pub fn free_buffers(&self) {
        match &self.shared.on_engine {
            OnEngine::Gpu(gpu) => gpu.free_buffers(),
            OnEngine::Cpu(cpu) => cpu.free_buffers(),
            OnEngine::Reference => {}
        }
    }
}

impl Rnn {
    /// The network: with its input size, once that is known.
    pub(crate) fn network(&self) -> &Network {
        self.weights().map_or(&self.shared.network, Weights::network)
    }

    pub(crate) fn initial_state(&self, batch: usize) -> Result<State> {
        self.known_weights()?.initial_state(batch)
    }

    /// States that stay on the GPU; none on another engine.
    pub(crate) async fn resident(&self, batch: usize) -> Result<Option<Resident>> {
        let weights = self.known_weights()?;
        match &self.shared.on_engine {
            OnEngine::Gpu(gpu) => Ok(Some(gpu.resident(weights, batch, &self.setup).await?)),
            OnEngine::Cpu(_) | OnEngine::Reference => Ok(None),
        }
    }

    /// The network's part of the GPU engine.
    pub(crate) fn on_gpu(&self) -> Option<&GpuRnn> {
        match &self.shared.on_engine {
            OnEngine::Gpu(gpu) => Some(gpu),
            OnEngine::Cpu(_) | OnEngine::Reference => None,
        }
    }

    /// The same, for something that only a GPU has.
    pub(crate) fn gpu(&self, name: &'static str) -> Result<&GpuRnn> {
        self.on_gpu().ok_or_else(|| {
            let (expected, found) = ("an engine on a GPU".into(), self.engine().name().into());
            Error::Unsupported { name, expected, found }
        })
    }

    /// The settings that a GPU asks for.
    pub(crate) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The part that clones share.
    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn known_weights(&self) -> Result<&Weights> {
        self.weights().ok_or(Error::InputSizeOpen)
    }

    /// The weights for an input, which are drawn now if they wait for its size.
    pub(crate) fn weights_for(&self, call: &Checked<'_, f32>) -> Result<&Weights> {
        if self.weights().is_none() {
            let mut deferred = self.deferred();
            // Another thread may have drawn the weights while this thread waited.
            if let Some(waiting) = deferred.as_ref() {
                let drawn = waiting.clone().finish(call.input.dim().2)?;
                // The cell is empty: only the holder of the lock fills it.
                let _ = self.shared.drawn.weights.set(Arc::new(drawn));
                *deferred = None;
            }
        }
        let weights = self.known_weights()?;
        weights.network().check_input(&call.input)?;
        Ok(weights)
    }

    fn deferred(&self) -> std::sync::MutexGuard<'_, Option<Deferred>> {
        // A panic while weights were drawn leaves them as they were.
        self.shared.drawn.deferred.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
