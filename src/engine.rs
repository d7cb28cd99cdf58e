//! The engines: places where networks are computed.

use crate::cpu::Cpu;
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::CacheFiles;
use crate::gpu::{ADAPTER_NAME, Gpu, Request};
use crate::plan::Machine;
use crate::{Error, Result, reference};
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;
use std::sync::Arc;

/// A GPU, the CPU, or the reference that judges both; cheap to clone, and shared by every [`Rnn`](crate::Rnn)
/// made on the engine.
///
/// ```
/// use wgpu_rnn::Engine;
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let engine = Engine::auto(); // the best adapter, or the CPU if there is none
/// println!("on {}", engine.name());
/// # Ok(())
/// # }
/// ```
///
/// [`Engine::gpu`] takes the best adapter and fails where there is none; [`Engine::builder`] takes a certain
/// one; [`Engine::from_device`] takes a device that the program already has.
#[derive(Clone, Debug)]
pub struct Engine(Backend);

#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Gpu(Arc<Gpu>),
    Cpu(Arc<Cpu>),
    Reference,
}

/// Chooses an adapter.
#[derive(Clone, Debug)]
pub struct EngineBuilder(Request);

impl Engine {
    /// The best GPU adapter: the one that `WGPU_ADAPTER_NAME` names, if it is set, else high performance
    /// first; software adapters are allowed.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is no adapter, or the adapter gives no device; [`Error::NamedAdapter`]
    /// if no adapter has the name; [`Error::Text`] for a name that is not UTF-8.
    pub async fn gpu_async() -> Result<Engine> {
        Engine::builder().build_async().await
    }

    /// The best GPU, or the CPU engine where there is none; the choice, and the reason, are logged.
    ///
    /// A software adapter counts as no GPU, unless `WGPU_ADAPTER_NAME` names it: the CPU engine is 5 to 11
    /// times as fast as Mesa's software Vulkan for 16 sequences and more, and 39 times for a step of a live
    /// stream (`benches/record/peers-cpu.txt`, `peers-llvmpipe.txt`).
    pub async fn auto_async() -> Engine {
        let builder = Engine::builder();
        let is_named = builder.0.adapter_name.is_some();
        let refused = match builder.build_async().await {
            Ok(engine) => match engine.limits() {
                Some(limits) if limits.machine.is_software && !is_named => {
                    format!("{} is a software adapter, and slower than the CPU engine", engine.name())
                }
                _ => return engine,
            },
            Err(error) => error.to_string(),
        };
        let engine = Engine::cpu();
        log::warn!("{refused}; using the {}", engine.name());
        engine
    }

    /// The CPU: vectors, and the threads of the rayon pool that a call is made in, where a layer is large
    /// enough. The number of threads changes no bit of a result.
    ///
    /// Threads that share the units of a layer wait for each other at every step. On a machine that other
    /// programs keep busy, a call in a pool of one thread may be faster (rayon's `ThreadPool::install`).
    pub fn cpu() -> Engine {
        Engine(Backend::Cpu(Arc::new(Cpu::new())))
    }

    /// The CPU reference: plain loops, which judge the other engines. See
    /// [`reference::forward`] for f64.
    pub fn reference() -> Engine {
        Engine(Backend::Reference)
    }

    /// A device and queue of the caller's. The library makes buffers and pipelines on it, and leaves its
    /// callbacks alone. All clones of the engine share them; [`EngineBuilder::on`] is the same with a
    /// builder's settings.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Engine {
        Engine::builder().on(device, queue)
    }

    /// Chooses an adapter by name or back end.
    pub fn builder() -> EngineBuilder {
        EngineBuilder(Request {
            backends: wgpu::Backends::PRIMARY,
            adapter_name: std::env::var_os(ADAPTER_NAME).filter(|name| !name.is_empty()),
            webgpu_defaults: false,
            unchecked: false,
            machine: None,
            #[cfg(not(target_arch = "wasm32"))]
            files: CacheFiles::default(),
        })
    }

    /// The adapter with its back end and driver, `CPU` with its vectors and threads, or `CPU reference`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Backend::Gpu(gpu) => &gpu.name,
            Backend::Cpu(cpu) => &cpu.name,
            Backend::Reference => reference::NAME,
        }
    }

    /// True for a GPU adapter, also one in software.
    pub fn is_gpu(&self) -> bool {
        matches!(self.0, Backend::Gpu(_))
    }

    /// True once the device is lost: a new engine is needed. A caller's own device never counts as lost,
    /// since its callbacks are the caller's.
    pub fn is_lost(&self) -> bool {
        self.on_gpu().is_some_and(|gpu| gpu.is_lost())
    }

    /// The limits that plans keep to on this adapter; none for the CPU engine and the reference.
    pub fn limits(&self) -> Option<crate::plan::Limits> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(gpu.limits),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    /// The device that the engine runs on; none for the CPU engine and the reference.
    pub fn device(&self) -> Option<&wgpu::Device> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(&gpu.device),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    /// The device's queue; none for the CPU engine and the reference.
    pub fn queue(&self) -> Option<&wgpu::Queue> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(&gpu.queue),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    /// Frees the pipelines that no kept call uses; the next call that needs one makes it again.
    /// [`Rnn::free_buffers`](crate::Rnn::free_buffers) frees the calls that are kept.
    pub fn free_pipelines(&self) {
        if let Backend::Gpu(gpu) = &self.0 {
            gpu.pipelines.free();
        }
    }

    /// The GPU, of an engine on one.
    pub(crate) fn on_gpu(&self) -> Option<&Arc<Gpu>> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(gpu),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    pub(crate) fn backend(&self) -> &Backend {
        &self.0
    }
}

impl EngineBuilder {
    /// Takes an adapter whose name contains `name`, in upper or lower case, instead of the best adapter or
    /// `WGPU_ADAPTER_NAME`'s.
    #[must_use]
    pub fn adapter_name(mut self, name: impl Into<String>) -> EngineBuilder {
        self.0.adapter_name = Some(name.into().into());
        self
    }

    /// Other back ends than Vulkan, Metal, DX12 and WebGPU: GL, by request.
    #[must_use]
    pub fn backends(mut self, backends: wgpu::Backends) -> EngineBuilder {
        self.0.backends = backends;
        self
    }

    /// Stays within the limits and features that every WebGPU adapter has, instead of taking all that the
    /// adapter offers.
    #[must_use]
    pub fn webgpu_defaults(mut self) -> EngineBuilder {
        self.0.webgpu_defaults = true;
        self
    }

    /// Lets kernels do without wgpu's checks of indices and loops, and without zeroed workgroup memory, which
    /// cost time on some GPUs. The kernels need no checks: a comment in `src/gpu/pipelines.rs` gives the
    /// reasons. The checks are on by default, as a second line of defence.
    #[must_use]
    pub fn unchecked(mut self) -> EngineBuilder {
        self.0.unchecked = true;
        self
    }

    /// Plans for an adapter of these speeds, instead of those of the adapter's class
    /// ([`Machine::DISCRETE`], [`INTEGRATED`](Machine::INTEGRATED) or [`SOFTWARE`](Machine::SOFTWARE)).
    /// Results are the same but for rounding.
    #[must_use]
    pub fn machine(mut self, machine: Machine) -> EngineBuilder {
        self.0.machine = Some(machine);
        self
    }

    /// Measures the schedules and tiles that the first call of a network with a new size could have, and
    /// takes the fastest combination from then on. The engine remembers the combination for all networks of
    /// the same settings and sizes. Off by default.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use ndarray::Array3;
    /// use wgpu_rnn::{Config, Engine, Init, Rnn};
    ///
    /// let Ok(engine) = Engine::builder().tuned().build() else { return Ok(()) }; // no adapter
    /// let config = Config::gru(5).input_size(3);
    /// let rnn = Rnn::lazy(&engine, &config, Init::pytorch())?;
    /// rnn.forward(&Array3::ones((4, 2, 3)), None)?;
    /// rnn.forward(&Array3::ones((3, 2, 3)), None)?; // as good as the same size
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// A size is N, and T rounded up to a power of two, 256 at most. A size is measured on zeros with the
    /// network's own weights: the input's products on 256 steps at most, the time steps on 32. Most of the
    /// time goes into compiling some twenty candidates: on Mesa's software Vulkan with two cores 4 to 6 s for
    /// two layers of a BiRNN of 64 units, 12 to 14 s for a BiLSTM of 128 (`cargo bench --bench first`). The
    /// cost on a real GPU has not been measured yet.
    ///
    /// Results stay right, but two tunings may round differently. For the same bits from one run of a program
    /// to the next, use a file ([`tuned_with`](EngineBuilder::tuned_with)), or leave tuning off. An
    /// [`Rnn`](crate::Rnn) with a tuning of its own ([`Rnn::with_tuning`](crate::Rnn::with_tuning)) is not
    /// measured.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tuned(mut self) -> EngineBuilder {
        self.0.files.is_tuned = true;
        self
    }

    /// The same as [`tuned`](EngineBuilder::tuned), and keeps the choices in a file. All engines that name
    /// the file share it: engines of other programs too, and of other adapters and drivers, which have lines
    /// of their own in the file.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use wgpu_rnn::Engine;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let cache = folder.path();
    /// let engine = Engine::builder().tuned_with(cache.join("tunings")).build();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// The file is text: adapter, driver, network and size; schedule; tile of the input's products; tile of
    /// the time steps; with tabs between. A line per adapter has the word `calibration`, the
    /// nanoseconds of a dispatch, and the time of everything else in percent of the estimate, both fitted to
    /// the candidates' times. The next engine that names the file estimates by these numbers
    /// ([`Machine`](crate::Machine)), unless it is given another [`machine`](EngineBuilder::machine). A
    /// file that is missing, broken or cannot be written is logged, and the engine measures for itself.
    /// A file with other contents is replaced.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tuned_with(mut self, file: impl Into<PathBuf>) -> EngineBuilder {
        self.0.files.tunings = Some(file.into());
        self.tuned()
    }

    /// Keeps compiled pipelines in a file. The next engine that names the file takes the pipelines from it,
    /// if the adapter has wgpu's `PIPELINE_CACHE` (Vulkan, mostly, and not with
    /// [`webgpu_defaults`](EngineBuilder::webgpu_defaults)). Many drivers keep pipelines by themselves.
    /// Mesa's software Vulkan (22.3) gives out an empty cache, so that the file saves nothing there.
    ///
    /// ```
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use wgpu_rnn::Engine;
    ///
    /// # let folder = tempfile::tempdir()?;
    /// # let cache = folder.path();
    /// let engine = Engine::builder().pipeline_cache(cache.join("pipelines")).build();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Name a file that nobody else can write: the driver trusts its contents. The file belongs to one
    /// adapter, driver and version of this library. A file that is missing, broken, cannot be written, or
    /// belongs to another adapter, driver or version is logged, and pipelines are compiled anew. A file with
    /// other contents is replaced.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn pipeline_cache(mut self, file: impl Into<PathBuf>) -> EngineBuilder {
        self.0.files.pipelines = Some(file.into());
        self
    }

    /// Takes a device and queue of the caller's instead of opening an adapter.
    /// [`machine`](EngineBuilder::machine), [`unchecked`](EngineBuilder::unchecked),
    /// [`tuned`](EngineBuilder::tuned), [`tuned_with`](EngineBuilder::tuned_with) and
    /// [`pipeline_cache`](EngineBuilder::pipeline_cache) (which needs the device's feature `PIPELINE_CACHE`)
    /// apply to the device.
    /// [`adapter_name`](EngineBuilder::adapter_name), [`backends`](EngineBuilder::backends) and
    /// [`webgpu_defaults`](EngineBuilder::webgpu_defaults) have no effect.
    pub fn on(self, device: wgpu::Device, queue: wgpu::Queue) -> Engine {
        Engine(Backend::Gpu(Arc::new(Gpu::from_device(device, queue, &self.0))))
    }

    /// Opens the adapter.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is no adapter, or the adapter gives no device; [`Error::NamedAdapter`]
    /// if no adapter has the name; [`Error::Text`] for a `WGPU_ADAPTER_NAME` that is not UTF-8.
    pub async fn build_async(self) -> Result<Engine> {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(Error::NoAdapter("wgpu has no back end for this platform".into()));
        }
        Ok(Engine(Backend::Gpu(Arc::new(Gpu::request(&self.0).await?))))
    }
}
