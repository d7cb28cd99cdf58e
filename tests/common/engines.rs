//! Engines for tests, and what runs the tests that need one.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::OnceLock;
use wgpu_rnn::{Engine, Machine};

// In a browser, `bindings/web/trials/` stands for libtest-mimic and for the library's blocking calls.
#[cfg(target_arch = "wasm32")]
pub use libtest_mimic::block_on;
#[cfg(not(target_arch = "wasm32"))]
pub use pollster::block_on;

pub type Outcome = Result<(), Failed>;

/// The engine, or the limits that the GPU engine is opened with.
#[derive(Clone, Copy, PartialEq)]
pub enum Offer {
    All,
    WebGpuDefaults,
    /// All, and kernels without wgpu's checks.
    Unchecked,
    /// The same, with the tiles, schedules and packed weights of a discrete card.
    Discrete,
    /// No adapter, but the CPU engine.
    Cpu,
}

impl Offer {
    pub fn name(self) -> &'static str {
        match self {
            Offer::All => "adapter",
            Offer::WebGpuDefaults => "webgpu_defaults",
            Offer::Unchecked => "unchecked",
            Offer::Discrete => "discrete",
            Offer::Cpu => "cpu",
        }
    }

    pub fn needs_gpu(self) -> bool {
        !matches!(self, Offer::Cpu)
    }

    /// One for all tests.
    pub fn engine(self) -> Result<&'static Engine, Failed> {
        static ALL: OnceLock<Result<Engine, String>> = OnceLock::new();
        static UNCHECKED: OnceLock<Result<Engine, String>> = OnceLock::new();
        static DISCRETE: OnceLock<Result<Engine, String>> = OnceLock::new();
        static DEFAULTS: OnceLock<Result<Engine, String>> = OnceLock::new();
        static CPU: OnceLock<Result<Engine, String>> = OnceLock::new();
        let open = |builder: wgpu_rnn::EngineBuilder| builder.build().map_err(|error| error.to_string());
        let engine = match self {
            Offer::All => ALL.get_or_init(|| open(Engine::builder())),
            Offer::Unchecked => UNCHECKED.get_or_init(|| open(Engine::builder().unchecked())),
            Offer::Discrete => {
                DISCRETE.get_or_init(|| open(Engine::builder().machine(Machine::DISCRETE).unchecked()))
            }
            Offer::WebGpuDefaults => DEFAULTS.get_or_init(|| open(Engine::builder().webgpu_defaults())),
            Offer::Cpu => CPU.get_or_init(|| Ok(Engine::cpu())),
        };
        engine.as_ref().map_err(|error| Failed::from(format!("{error}; or set WGPU_RNN_GPU=skip")))
    }
}

/// Tests of an engine.
pub struct Trials {
    /// Each with its number among those of its offer.
    trials: Vec<(usize, Offer, Trial)>,
    arguments: Arguments,
    skip: bool,
}

impl Trials {
    pub fn new() -> Trials {
        // RUST_LOG=warn shows the reports of drivers and validation layers.
        #[cfg(not(target_arch = "wasm32"))]
        env_logger::Builder::from_env(env_logger::Env::default().default_filter_or("off")).init();
        let skip = std::env::var("WGPU_RNN_GPU").is_ok_and(|choice| choice == "skip");
        Trials { trials: Vec::new(), arguments: Arguments::from_args(), skip }
    }

    pub fn add(&mut self, offer: Offer, name: &str, test: impl FnOnce(&Engine) -> Outcome + Send + 'static) {
        // A browser's limits are these already, and its kernels are always checked.
        if cfg!(target_arch = "wasm32") && !matches!(offer, Offer::All | Offer::Cpu) {
            return;
        }
        let name = format!("{}::{name}", offer.name());
        let trial = Trial::test(name, move || test(offer.engine()?));
        let number = self.trials.iter().filter(|(_, others, _)| *others == offer).count();
        self.trials.push((number, offer, trial.with_ignored_flag(self.skip && offer.needs_gpu())));
    }

    /// Runs the trials, those of one offer in the order in which they were added, offers in turn: a software
    /// driver compiles and computes all of a device in one thread.
    pub fn run(mut self) {
        if self.skip {
            println!("WGPU_RNN_GPU=skip: the GPU tests below are ignored");
        } else if !self.arguments.list {
            match Offer::All.engine() {
                Ok(engine) => println!("adapter: {}", engine.name()),
                // Once, instead of once a test.
                Err(failed) => {
                    eprintln!("error: {}", failed.message().unwrap_or("no adapter"));
                    std::process::exit(101);
                }
            }
        }
        self.trials.sort_by_key(|&(number, ..)| number);
        let trials = self.trials.into_iter().map(|(.., trial)| trial).collect();
        libtest_mimic::run(&self.arguments, trials).exit();
    }
}

/// Two devices of one adapter, which gives a browser one device each time that it is asked for.
pub fn two_devices() -> Result<[(wgpu::Device, wgpu::Queue); 2], Failed> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let open = || -> Result<_, Failed> {
        let adapter = block_on(instance.request_adapter(&Default::default()))?;
        Ok(block_on(adapter.request_device(&Default::default()))?)
    };
    Ok([open()?, open()?])
}

/// A device as a program of its own would open it, with those of the features that the adapter has.
pub fn own_device(
    limits: wgpu::Limits,
    features: wgpu::Features,
) -> Result<(wgpu::Device, wgpu::Queue), Failed> {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = block_on(instance.request_adapter(&Default::default()))?;
    let descriptor = wgpu::DeviceDescriptor {
        required_limits: limits,
        required_features: adapter.features() & features,
        ..Default::default()
    };
    Ok(block_on(adapter.request_device(&descriptor))?)
}

/// A device whose bindings hold two or three steps of the networks here.
pub fn small_bindings() -> Result<&'static Engine, Failed> {
    static SMALL: OnceLock<Result<Engine, String>> = OnceLock::new();
    SMALL
        .get_or_init(|| with_bindings(24 << 10, 64 << 10))
        .as_ref()
        .map_err(|error: &String| Failed::from(error.clone()))
}

/// A device whose bindings hold some steps of the networks here, and whose buffers the sizes of all
/// dispatches of a backward pass.
pub fn small_bindings_for_gradients() -> Result<&'static Engine, Failed> {
    static SMALL: OnceLock<Result<Engine, String>> = OnceLock::new();
    SMALL
        .get_or_init(|| with_bindings(32 << 10, 1 << 20))
        .as_ref()
        .map_err(|error: &String| Failed::from(error.clone()))
}

fn with_bindings(binding: u64, buffer: u64) -> Result<Engine, String> {
    let limits = wgpu::Limits {
        max_storage_buffer_binding_size: binding,
        max_buffer_size: buffer,
        ..Default::default()
    };
    let (device, queue) =
        own_device(limits, wgpu::Features::SHADER_F16).map_err(|failed| format!("{failed:?}"))?;
    Ok(Engine::from_device(device, queue))
}
