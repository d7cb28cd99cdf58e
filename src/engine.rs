//! The engines: places where networks are computed.

use crate::cpu::Cpu;
#[cfg(not(target_arch = "wasm32"))]
use crate::gpu::CacheFiles;
use crate::gpu::{ADAPTER_NAME, Gpu, Request};
use crate::{Error, Result, reference};
#[cfg(not(target_arch = "wasm32"))]
use std::path::PathBuf;
use std::sync::Arc;

/// A GPU, the CPU, or the reference that judges both; cheap to clone, and shared by all layers made on it.
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
    /// [`Error::NoAdapter`] and [`Error::NamedAdapter`] if there is none, [`Error::Text`] for a name that is
    /// not UTF-8.
    pub async fn gpu_async() -> Result<Engine> {
        Engine::builder().build_async().await
    }

    /// The best GPU, or the CPU engine where there is none; the choice, and the reason, are logged.
    ///
    /// A software adapter counts as none, unless `WGPU_ADAPTER_NAME` names it: the CPU engine is 6 to 25
    /// times faster (`benches/record/`).
    pub async fn auto_async() -> Engine {
        let builder = Engine::builder();
        let is_named = builder.0.adapter_name.is_some();
        let refused = match builder.build_async().await {
            Ok(engine) => match engine.limits() {
                Some(limits) if limits.is_software && !is_named => {
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

    /// The CPU: vectors, and the threads of the rayon pool that a call is made in, where a layer is worth
    /// them. How many there are changes no bit of a result.
    pub fn cpu() -> Engine {
        Engine(Backend::Cpu(Arc::new(Cpu::new())))
    }

    /// The CPU reference: plain loops, which judge the other engines. See
    /// [`reference::forward`](crate::reference::forward) for f64.
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

    /// The limits that plans keep to on this adapter; none for the CPU.
    pub fn limits(&self) -> Option<crate::plan::Limits> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(gpu.limits),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    /// The device that it runs on; none for the CPU.
    pub fn device(&self) -> Option<&wgpu::Device> {
        match &self.0 {
            Backend::Gpu(gpu) => Some(&gpu.device),
            Backend::Cpu(_) | Backend::Reference => None,
        }
    }

    /// The device's queue; none for the CPU.
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
    /// An adapter whose name contains this, in any case, instead of the best one or `WGPU_ADAPTER_NAME`.
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

    /// Stays within the limits and features that every WebGPU adapter has, instead of taking what this one
    /// gives.
    #[must_use]
    pub fn webgpu_defaults(mut self) -> EngineBuilder {
        self.0.webgpu_defaults = true;
        self
    }

    /// Lets kernels do without wgpu's checks of indices and loops, and without zeroed workgroup memory, which
    /// cost time on some GPUs. The kernels need none: `src/gpu/kernels.rs` says why. It is off by default, as
    /// a second line of defence.
    #[must_use]
    pub fn unchecked(mut self) -> EngineBuilder {
        self.0.unchecked = true;
        self
    }

    /// Measures the schedules and tiles that the first call of a network with a new size could have, and
    /// takes the fastest one from then on; the engine remembers it for all networks like that one. Off by
    /// default.
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
    /// A size is N, and T rounded up to a power of two, 256 at most. It is measured on zeros with the
    /// network's own weights: the input's products on 256 steps at most, the time steps on 32. Most of the
    /// time goes into compiling some twenty candidates: on Mesa's software Vulkan with two cores 4 to 6 s for
    /// two layers of a BiRNN of 64 units, 12 to 14 s for a BiLSTM of 128 (`cargo bench --bench first`). It
    /// has not been measured on a real GPU yet.
    ///
    /// Results stay right, but two tunings may round differently: for the same bits from one run of a program
    /// to the next, use a file ([`tuned_with`](EngineBuilder::tuned_with)), or leave it off. Layers with a
    /// tuning of their own ([`Rnn::with_tuning`](crate::Rnn::with_tuning)) are not measured.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tuned(mut self) -> EngineBuilder {
        self.0.files.is_tuned = true;
        self
    }

    /// The same as [`tuned`](EngineBuilder::tuned), and files the choices in a file, for all engines that
    /// name the same one: those of other programs, and of other adapters and drivers, which have lines of
    /// their own there.
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
    /// the time steps; with tabs between. Where it is missing, broken or cannot be written, that is logged,
    /// and the engine measures for itself. A file that is something else is replaced.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tuned_with(mut self, file: impl Into<PathBuf>) -> EngineBuilder {
        self.0.files.tunings = Some(file.into());
        self.tuned()
    }

    /// CacheFiles compiled pipelines in a file, from which the next engine that names it takes them, if the
    /// adapter can do that (Vulkan, mostly, and not with
    /// [`webgpu_defaults`](EngineBuilder::webgpu_defaults)). Many drivers do so by themselves. Mesa's
    /// software Vulkan (22.3) gives out an empty one, so that it saves nothing there.
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
    /// Name a file that nobody else can write: the driver believes what is in it. It belongs to one adapter,
    /// driver and version of this library; where it is another one's, missing, broken or cannot be written,
    /// that is logged, and pipelines are compiled anew. A file that is something else is replaced.
    #[must_use]
    #[cfg(not(target_arch = "wasm32"))]
    pub fn pipeline_cache(mut self, file: impl Into<PathBuf>) -> EngineBuilder {
        self.0.files.pipelines = Some(file.into());
        self
    }

    /// Takes a device and queue of the caller's instead of opening an adapter: unchecked, tuned, with a cache
    /// of pipelines (which needs the device's feature `PIPELINE_CACHE`), as it was told; what chooses an
    /// adapter means nothing.
    pub fn on(self, device: wgpu::Device, queue: wgpu::Queue) -> Engine {
        Engine(Backend::Gpu(Arc::new(Gpu::from_device(device, queue, &self.0))))
    }

    /// Opens the adapter.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] and [`Error::NamedAdapter`] if there is none such, [`Error::Text`] for a
    /// `WGPU_ADAPTER_NAME` that is not UTF-8.
    pub async fn build_async(self) -> Result<Engine> {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(Error::NoAdapter("wgpu has no back end for this platform".into()));
        }
        Ok(Engine(Backend::Gpu(Arc::new(Gpu::request(&self.0).await?))))
    }
}
