//! A device and its limits, and the one place where its objects are made and its errors caught.

use super::buffer::Buffer;
use super::pipelines::{Pipelines, STEP_INDEX_BYTES};
use crate::plan::{Limits, Machine};
use crate::{Error, Result};
use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// A wgpu device with all that networks share on it.
#[derive(Debug)]
pub(crate) struct Gpu {
    pub device: wgpu::Device,
    pub queue: wgpu::Queue,
    /// Adapter, back end and driver, in words.
    pub name: Arc<str>,
    pub limits: Limits,
    /// The adapter's memory is the host's, whatever speeds its plans assume.
    pub is_software: bool,
    pub pipelines: Pipelines,
    /// The tunings, of an engine that measures them.
    #[cfg(not(target_arch = "wasm32"))]
    pub tunings: Option<crate::tuner::Tunings>,
    /// Buffers, bind groups, pipelines and shader modules made so far.
    made: AtomicU64,
    /// Dispatches recorded so far.
    dispatched: AtomicU64,
    lost: Arc<OnceLock<String>>,
}

/// Features that are asked for where the adapter has them; every feature can be done without.
const USED_FEATURES: wgpu::Features = wgpu::Features::IMMEDIATES
    .union(wgpu::Features::SUBGROUP)
    .union(wgpu::Features::SHADER_F16)
    .union(wgpu::Features::TIMESTAMP_QUERY);

/// The environment variable that names an adapter.
pub(crate) const ADAPTER_NAME: &str = "WGPU_ADAPTER_NAME";

/// The settings by which an adapter is chosen and opened.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub backends: wgpu::Backends,
    /// Part of the adapter's name, in any case; from the environment it may be no text.
    pub adapter_name: Option<std::ffi::OsString>,
    /// Stay within WebGPU's default limits and features.
    pub webgpu_defaults: bool,
    /// Kernels go without wgpu's checks.
    pub unchecked: bool,
    /// The speeds that plans assume, instead of those of the adapter's class.
    pub machine: Option<Machine>,
    #[cfg(not(target_arch = "wasm32"))]
    pub files: CacheFiles,
}

/// The files that engines share.
#[cfg(not(target_arch = "wasm32"))]
#[derive(Clone, Debug, Default)]
pub(crate) struct CacheFiles {
    /// Plans are tuned.
    pub is_tuned: bool,
    /// The file of tunings.
    pub tunings: Option<std::path::PathBuf>,
    /// The file of pipelines.
    pub pipelines: Option<std::path::PathBuf>,
}

impl Gpu {
    pub async fn request(request: &Request) -> Result<Gpu> {
        // wgpu panics in a program that is neither a page nor a worker.
        #[cfg(target_arch = "wasm32")]
        if !wgpu::util::is_browser_webgpu_supported().await {
            return Err(Error::NoAdapter("the browser has no WebGPU, or gives no adapter".into()));
        }
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
        descriptor.backends = request.backends;
        descriptor.flags = wgpu::InstanceFlags::default().with_env();
        let instance = wgpu::Instance::new(descriptor);
        let adapter = match &request.adapter_name {
            Some(name) => named_adapter(&instance, request.backends, text(name)?).await?,
            None => {
                let options = wgpu::RequestAdapterOptions {
                    power_preference: wgpu::PowerPreference::HighPerformance,
                    ..Default::default()
                };
                let none = |error: wgpu::RequestAdapterError| Error::NoAdapter(error.to_string());
                instance.request_adapter(&options).await.map_err(none)?
            }
        };
        let gpu = Gpu::open_best(&adapter, request).await?.assuming(request.machine);
        #[cfg(not(target_arch = "wasm32"))]
        let gpu = gpu.with_files(request).await;
        Ok(gpu)
    }

    async fn open_best(adapter: &wgpu::Adapter, request: &Request) -> Result<Gpu> {
        let mut descriptor = wgpu::DeviceDescriptor { label: Some("wgpu-rnn"), ..Default::default() };
        if !request.webgpu_defaults {
            descriptor.required_limits = adapter.limits();
            descriptor.required_features = adapter.features() & USED_FEATURES;
            #[cfg(not(target_arch = "wasm32"))]
            if request.files.pipelines.is_some() {
                descriptor.required_features |= adapter.features() & wgpu::Features::PIPELINE_CACHE;
            }
        }
        #[cfg(feature = "cooperative-matrix")]
        if !request.webgpu_defaults
            && let Some(gpu) = super::cooperative::open(adapter, &descriptor, request.unchecked).await
        {
            return Ok(gpu);
        }
        Gpu::open(adapter, &descriptor, request.unchecked).await
    }

    pub async fn open(
        adapter: &wgpu::Adapter,
        descriptor: &wgpu::DeviceDescriptor<'_>,
        unchecked: bool,
    ) -> Result<Gpu> {
        let refused = |error: wgpu::RequestDeviceError| {
            Error::NoAdapter(format!("{} gives no device: {error}", adapter.get_info().name))
        };
        let (device, queue) = adapter.request_device(descriptor).await.map_err(refused)?;
        let lost = Arc::new(OnceLock::new());
        let report = lost.clone();
        device.set_device_lost_callback(move |reason, message| {
            let _ = report.set(lost_for(reason, &message));
        });
        // Errors are caught in scopes. An error that a driver reports outside of any scope is logged, instead
        // of a panic.
        device.on_uncaptured_error(Arc::new(|error| log::error!("outside of a call: {error}")));
        Ok(Gpu::new(device, queue, lost, unchecked))
    }

    #[cfg(not(target_arch = "wasm32"))]
    async fn with_files(mut self, request: &Request) -> Gpu {
        let files = &request.files;
        if files.is_tuned {
            let tunings = crate::tuner::Tunings::open(files.tunings.clone(), self.limits.machine);
            if request.machine.is_none() {
                self.limits.machine = tunings.calibrated(&self.tuner_key()).unwrap_or(self.limits.machine);
            }
            self.tunings = Some(tunings);
        }
        if let Some(path) = &files.pipelines {
            self.pipelines.cache_file = super::pipeline_cache::PipelineCache::open(&self, path.clone()).await;
        }
        self
    }

    /// On a caller's device, whose callbacks stay the caller's. The settings of adapter, back ends and limits
    /// are ignored.
    pub fn from_device(device: wgpu::Device, queue: wgpu::Queue, request: &Request) -> Gpu {
        let gpu = Gpu::new(device, queue, Arc::default(), request.unchecked).assuming(request.machine);
        #[cfg(not(target_arch = "wasm32"))]
        let gpu = pollster::block_on(gpu.with_files(request)); // nothing in it waits
        gpu
    }

    /// The adapter, driver and kernels that measurements are of.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tuner_key(&self) -> String {
        format!("{}{}", self.name, self.pipelines.description())
    }

    fn assuming(mut self, machine: Option<Machine>) -> Gpu {
        self.limits.machine = machine.unwrap_or(self.limits.machine);
        self
    }

    fn new(device: wgpu::Device, queue: wgpu::Queue, lost: Arc<OnceLock<String>>, unchecked: bool) -> Gpu {
        let info = device.adapter_info();
        let name = name_of(&info);
        let limits = device.limits();
        let max_immediate_size = limits.max_immediate_size;
        let features = device.features();
        let limits = Limits {
            max_buffer_bytes: limits.max_buffer_size,
            max_binding_bytes: limits.max_storage_buffer_binding_size,
            max_workgroups: limits.max_compute_workgroups_per_dimension,
            machine: match info.device_type {
                wgpu::DeviceType::Cpu => Machine::SOFTWARE,
                wgpu::DeviceType::DiscreteGpu => Machine::DISCRETE,
                _ => Machine::INTEGRATED,
            },
            subgroup_size: if features.contains(wgpu::Features::SUBGROUP) {
                info.subgroup_min_size
            } else {
                0
            },
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            workgroup_size: limits
                .max_compute_invocations_per_workgroup
                .min(limits.max_compute_workgroup_size_x),
            f16: features.contains(wgpu::Features::SHADER_F16),
            // False until the matrices were found to be right.
            cooperative: false,
        };
        // A caller's device may have the feature, and room for fewer bytes.
        let immediates =
            features.contains(wgpu::Features::IMMEDIATES) && max_immediate_size >= STEP_INDEX_BYTES;
        let pipelines = Pipelines::new(immediates, unchecked);
        log::info!("using {name}");
        Gpu {
            device,
            queue,
            name: name.into(),
            limits,
            is_software: info.device_type == wgpu::DeviceType::Cpu,
            pipelines,
            #[cfg(not(target_arch = "wasm32"))]
            tunings: None,
            made: AtomicU64::new(0),
            dispatched: AtomicU64::new(0),
            lost,
        }
    }

    /// Runs `make`, and returns the error that wgpu reports for it.
    pub async fn scoped<R>(&self, make: impl FnOnce() -> R) -> Result<R> {
        let (made, errors) = self.in_scopes(make);
        for error in errors {
            match error.await {
                None => {}
                Some(_) if self.lost.get().is_some() => break,
                Some(wgpu::Error::OutOfMemory { source }) => {
                    return Err(Error::OutOfMemory(source.to_string()));
                }
                Some(error) => return Err(Error::Gpu(in_a_line(&error.to_string()))),
            }
        }
        match self.lost.get() {
            Some(reason) => Err(Error::DeviceLost(reason.clone())),
            None => Ok(made),
        }
    }

    /// The scopes belong to this thread, so none may be open across an await.
    fn in_scopes<R, F: FnOnce() -> R>(
        &self,
        make: F,
    ) -> (R, Vec<impl Future<Output = Option<wgpu::Error>> + use<R, F>>) {
        use wgpu::ErrorFilter::{Internal, OutOfMemory, Validation};
        let scopes = [Validation, OutOfMemory, Internal].map(|f| self.device.push_error_scope(f));
        let made = make();
        // Scopes are a stack: the scope that was pushed last is popped first.
        let errors = scopes.into_iter().rev().map(|scope| scope.pop()).collect();
        (made, errors)
    }

    /// A buffer that is written later.
    pub async fn buffer(&self, label: &str, size: u64, usage: wgpu::BufferUsages) -> Result<Buffer> {
        self.make(wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: usage.contains(wgpu::BufferUsages::MAP_WRITE),
        })
        .await
    }

    /// A buffer that holds these bytes for good.
    pub async fn filled(&self, label: &str, bytes: &[u8], usage: wgpu::BufferUsages) -> Result<Buffer> {
        let buffer = self
            .make(wgpu::BufferDescriptor {
                label: Some(label),
                size: bytes.len() as u64,
                usage,
                mapped_at_creation: true,
            })
            .await?;
        let mut view = self.mapped(buffer.get_mapped_range_mut(..))?;
        view.copy_from_slice(bytes);
        drop(view);
        buffer.unmap();
        Ok(buffer)
    }

    async fn make(&self, descriptor: wgpu::BufferDescriptor<'_>) -> Result<Buffer> {
        self.count();
        self.scoped(|| Buffer::new(self.device.create_buffer(&descriptor))).await
    }

    /// A mapped buffer is invalid only if the device is lost: wgpu keeps silent about the errors that follow.
    pub fn mapped<V>(&self, view: Result<V, wgpu::MapRangeError>) -> Result<V> {
        view.map_err(|error| self.interrupted(&error.to_string().replace('\n', " ")))
    }

    /// A wait that never came to its end.
    pub fn interrupted(&self, otherwise: &str) -> Error {
        Error::DeviceLost(self.lost.get().cloned().unwrap_or_else(|| otherwise.into()))
    }

    pub fn is_lost(&self) -> bool {
        self.lost.get().is_some()
    }

    /// Counts an object; called for every object that is made.
    pub fn count(&self) {
        self.made.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts dispatches that were recorded, carries of a caller's arrays apart.
    pub fn count_dispatches(&self, count: u64) {
        self.dispatched.fetch_add(count, Ordering::Relaxed);
    }

    pub fn dispatches_recorded(&self) -> u64 {
        self.dispatched.load(Ordering::Relaxed)
    }

    pub fn objects_made(&self) -> u64 {
        self.made.load(Ordering::Relaxed)
    }
}

/// The name of an adapter, which browsers do not tell.
fn own_name(info: &wgpu::AdapterInfo) -> &str {
    match (info.name.as_str(), info.device_type) {
        ("", wgpu::DeviceType::Cpu) => "software adapter",
        ("", _) => "adapter",
        (name, _) => name,
    }
}

/// Name, back end and driver of an adapter. Browsers do not tell the driver.
fn name_of(info: &wgpu::AdapterInfo) -> String {
    let driver = format!("{} {}", info.driver, info.driver_info);
    let name = own_name(info);
    match driver.trim() {
        "" => format!("{name} ({:?})", info.backend),
        driver => format!("{name} ({:?}; {driver})", info.backend),
    }
}

/// The reason why a device is lost. A browser's message may be a trace of scripts.
fn lost_for(reason: wgpu::DeviceLostReason, message: &str) -> String {
    if cfg!(not(target_arch = "wasm32")) {
        return format!("{reason:?}: {message}");
    }
    match reason {
        wgpu::DeviceLostReason::Destroyed => "it was destroyed".into(),
        _ => "the browser has ended it".into(),
    }
}

/// wgpu tells its errors as a tree, one line per error.
fn in_a_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

/// # Errors
/// [`Error::Text`] for a name that is not UTF-8, which no adapter can have.
fn text(name: &std::ffi::OsStr) -> Result<&str> {
    name.to_str().ok_or_else(|| {
        let (expected, found) = ("an adapter's name in UTF-8".into(), name.to_string_lossy().into());
        Error::Text { name: ADAPTER_NAME, expected, found }
    })
}

async fn named_adapter(
    instance: &wgpu::Instance,
    backends: wgpu::Backends,
    name: &str,
) -> Result<wgpu::Adapter> {
    let adapters = instance.enumerate_adapters(backends).await;
    let names: Vec<_> = adapters.iter().map(|adapter| own_name(&adapter.get_info()).to_owned()).collect();
    let wanted = name.to_lowercase();
    let found = names.iter().position(|name| name.to_lowercase().contains(&wanted));
    let found = found.and_then(|index| adapters.into_iter().nth(index));
    found.ok_or_else(|| {
        let there = if names.is_empty() { "none".into() } else { names.join(", ") };
        Error::NamedAdapter { name: name.into(), found: there }
    })
}
