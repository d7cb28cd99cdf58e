//! Where networks are computed, chosen once.

use crate::fast::Cpu;
use crate::gpu::{Gpu, Request};
use crate::{Error, Result, cpu};
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
/// [`Engine::gpu`] takes the best adapter and fails where there is none; [`Engine::builder`] takes a certain one;
/// [`Engine::from_device`] takes a device that the program already has.
#[derive(Clone, Debug)]
pub struct Engine(Kind);

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Gpu(Arc<Gpu>),
    Cpu(Arc<Cpu>),
    Reference,
}

/// Chooses an adapter.
#[derive(Clone, Debug)]
pub struct EngineBuilder(Request);

impl Engine {
    /// The best GPU adapter: `WGPU_ADAPTER_NAME` if set, else high performance first; software adapters are allowed.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn gpu() -> Result<Engine> {
        Engine::builder().build()
    }

    /// As [`gpu`](Engine::gpu), for an async program or a browser.
    pub async fn gpu_async() -> Result<Engine> {
        Engine::builder().build_async().await
    }

    /// The best GPU adapter, or the CPU where there is none; which one, and why, is logged.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn auto() -> Engine {
        pollster::block_on(Engine::auto_async())
    }

    /// As [`auto`](Engine::auto), for an async program or a browser.
    pub async fn auto_async() -> Engine {
        Engine::gpu_async().await.unwrap_or_else(|error| {
            let engine = Engine::cpu();
            log::warn!("{error}; using the {}", engine.name());
            engine
        })
    }

    /// The CPU: vectors, and the threads of the rayon pool that a call is made in, where a layer is worth them. How many there
    /// are changes no bit of a result.
    pub fn cpu() -> Engine {
        Engine(Kind::Cpu(Arc::new(Cpu::new())))
    }

    /// The CPU reference: plain loops, which judge the other engines. See [`cpu::forward`](crate::cpu::forward) for f64.
    pub fn reference() -> Engine {
        Engine(Kind::Reference)
    }

    /// A device and queue of the caller's. The library makes buffers and pipelines on it, and leaves its callbacks alone.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue) -> Engine {
        Engine(Kind::Gpu(Arc::new(Gpu::from_device(device, queue))))
    }

    /// Chooses an adapter by name or back end.
    pub fn builder() -> EngineBuilder {
        EngineBuilder(Request {
            backends: wgpu::Backends::PRIMARY,
            adapter_name: std::env::var("WGPU_ADAPTER_NAME").ok().filter(|name| !name.is_empty()),
            webgpu_defaults: false,
            unchecked: false,
        })
    }

    /// The adapter with its back end and driver, `CPU` with its vectors and threads, or `CPU reference`.
    pub fn name(&self) -> &str {
        match &self.0 {
            Kind::Gpu(gpu) => &gpu.name,
            Kind::Cpu(cpu) => &cpu.name,
            Kind::Reference => cpu::NAME,
        }
    }

    /// Whether it is a GPU adapter, be it one in software.
    pub fn is_gpu(&self) -> bool {
        matches!(self.0, Kind::Gpu(_))
    }

    /// What plans may use on this adapter; none for the CPU.
    pub fn limits(&self) -> Option<crate::plan::Limits> {
        match &self.0 {
            Kind::Gpu(gpu) => Some(gpu.limits),
            Kind::Cpu(_) | Kind::Reference => None,
        }
    }

    /// The device that it runs on; none for the CPU.
    pub fn device(&self) -> Option<&wgpu::Device> {
        match &self.0 {
            Kind::Gpu(gpu) => Some(&gpu.device),
            Kind::Cpu(_) | Kind::Reference => None,
        }
    }

    /// Buffers, bind groups and pipelines made so far, by all layers. A second call of the same shape makes none.
    pub fn objects_made(&self) -> u64 {
        match &self.0 {
            Kind::Gpu(gpu) => gpu.objects_made(),
            Kind::Cpu(_) | Kind::Reference => 0,
        }
    }

    pub(crate) fn kind(&self) -> &Kind {
        &self.0
    }
}

impl EngineBuilder {
    /// An adapter whose name contains this, in any case, instead of the best one or `WGPU_ADAPTER_NAME`.
    #[must_use]
    pub fn adapter_name(mut self, name: impl Into<String>) -> EngineBuilder {
        self.0.adapter_name = Some(name.into());
        self
    }

    /// Other back ends than Vulkan, Metal, DX12 and WebGPU: GL, by request.
    #[must_use]
    pub fn backends(mut self, backends: wgpu::Backends) -> EngineBuilder {
        self.0.backends = backends;
        self
    }

    /// Stays within the limits and features that every WebGPU adapter has, instead of taking what this one gives.
    #[must_use]
    pub fn webgpu_defaults(mut self) -> EngineBuilder {
        self.0.webgpu_defaults = true;
        self
    }

    /// Lets kernels do without wgpu's checks of indices and loops, and without zeroed workgroup memory, which cost time on some
    /// GPUs. The kernels need none: `src/gpu/kernels.rs` says why. It is off by default, as a second line of defence.
    #[must_use]
    pub fn unchecked(mut self) -> EngineBuilder {
        self.0.unchecked = true;
        self
    }

    /// Opens the adapter.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if there is none such.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn build(self) -> Result<Engine> {
        pollster::block_on(self.build_async())
    }

    /// As [`build`](EngineBuilder::build), for an async program or a browser.
    pub async fn build_async(self) -> Result<Engine> {
        if wgpu::Instance::enabled_backend_features().is_empty() {
            return Err(Error::NoAdapter("wgpu has no back end for this platform".into()));
        }
        Ok(Engine(Kind::Gpu(Arc::new(Gpu::request(&self.0).await?))))
    }
}
