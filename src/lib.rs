//! Stacked, bidirectional recurrent networks (RNN, LSTM, GRU) in WGSL compute shaders, on every GPU that wgpu
//! reaches, and on the CPU.
//!
//! ```
//! use ndarray::Array3;
//! use wgpu_rnn::{Config, Engine, Init, Rnn};
//!
//! fn main() -> wgpu_rnn::Result<()> {
//!     let engine = Engine::auto(); // the best GPU, or the CPU engine
//!     let config = Config::lstm(100).num_layers(3).bidirectional();
//!     let lstm = Rnn::lazy(&engine, &config, Init::pytorch().seed(1))?;
//!
//!     let input = Array3::ones((5, 3, 20)); // T 5 time steps, N 3 sequences, I 20 features
//!     let first = lstm.forward(&input, None)?;
//!     let next = lstm.forward(&input, Some(&first.state()))?; // from where the first ended
//!
//!     assert_eq!(next.output.dim(), (5, 3, 200)); // [T, N, D*H], forward first
//!     assert_eq!(next.h_n.dim(), (6, 3, 100)); // [L*D, N, H]
//!     Ok(())
//! }
//! ```
//!
//! | to | use |
//! |---|---|
//! | describe a network | [`Config`], [`Cell`], [`Activation`]; every option, and its name in other frameworks: [`options`] |
//! | have weights | [`Weights`], [`Init`], [`Reader`], [`Naming`], [`mxnet`] |
//! | choose where to compute | [`Engine`], [`EngineBuilder`] |
//! | compute | [`Rnn`], [`Call`], [`Output`], [`State`], [`Packed`]; states carried from call to call: [`Stateful`] |
//! | learn | [`Rnn::forward_saved`], [`Rnn::backward`], [`Rnn::set_weights`], [`Saved`], [`Save`], [`Wanted`], [`Dropout`], [`OutputGradients`], [`CallGradients`], [`Gradients`] |
//! | train | [`mod@train`]: [`Trainer`](train::Trainer), [`Head`](train::Head), [`Loss`](train::Loss), [`Optimizer`](train::Optimizer), [`Dataset`](train::Dataset), [`Loader`](train::Loader), [`Checkpoint`](train::Checkpoint) |
//! | serve live signals | [`Streams`], [`Stream`] |
//! | compute inside a program's own command encoder | [`Rnn::encode`], [`Buffers`], [`BufferArray`], [`BufferNeed`]; to learn there [`Rnn::encode_saved`], [`Rnn::encode_backward`], [`EncodedSaved`], [`GradientBuffers`] |
//! | see and choose what a call does | [`Plan`], [`Workload`], [`Tuning`], [`Schedule`], [`Tile`], [`Limits`], [`Machine`], [`PassTime`] |
//! | check results | [`mod@reference`], in f32 and f64; the errors of all engines: `benches/record/accuracy-llvmpipe.txt` |
//! | read and write arrays | [`mod@file`] |
//! | handle errors | [`Error`], a variant per cause |
//!
//! Blocking calls have `_async` twins; browsers have the twins alone.

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
#[cfg(not(target_arch = "wasm32"))]
mod cache;
#[cfg(not(target_arch = "wasm32"))]
mod calibration;
mod call;
mod cpu;
mod encoded_saved;
mod engine;
mod error;
mod float;
mod gpu;
mod identity;
mod interop;
mod io;
mod kernel;
mod memory;
mod network;
mod plan;
mod quote;
pub mod reference;
mod rnn;
mod saved;
mod stateful;
mod streams;
pub mod train;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
mod weights;

pub use call::{Call, Dropout, Output, OutputGradients, Packed, PassTime, State, Wanted};
pub use encoded_saved::EncodedSaved;
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use interop::{BufferArray, BufferNeed, Buffers, GradientBuffers};
pub use kernel::Tile;
pub use network::{
    Activation, Cell, CellClip, Config, Directions, Dtype, Layout, Merge, Outputs, Reset, Save,
};
pub use plan::{Limits, Machine, Plan, SavedBytes, Schedule, Tuning, Workload};
pub use rnn::Rnn;
pub use saved::Saved;
pub use stateful::Stateful;
pub use streams::{MAX_STREAM_STEPS, Stream, Streams};
pub use weights::{CallGradients, Gradients, Init, Naming, Reader, SlotWeights, Weights, mxnet};

/// Files of weights and of arrays: written beside and then renamed, so that no reader ever sees half a file.
pub mod file {
    pub use crate::io::{read, replace};
    pub use crate::quote::quote;
    pub use crate::weights::{ArrayInfo, Arrays, Format, Inspection, Limits, NetworkInfo, inspect};
    pub use crate::weights::{Tensors, load_tensors, save_tensors};
}

/// The options, and their names in PyTorch, MXNet, cuDNN, Keras and ONNX.
#[doc = include_str!("../OPTIONS.md")]
pub mod options {}

/// The README's programs, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// The inside of plans and kernels, for the library's own tests and benches: no part of its face, and free to
/// change.
#[doc(hidden)]
pub mod inspect {
    pub use crate::call::{Piece, ResultArray, Source};
    pub use crate::kernel::*;
    pub use crate::network::{Back, BackRow, Equation, EquationRow, Operand, Product};
    pub use crate::plan::*;

    /// Buffers, bind groups and pipelines that an engine has made so far, for all networks; 0 without a GPU.
    pub fn objects_made(engine: &crate::Engine) -> u64 {
        engine.on_gpu().map_or(0, |gpu| gpu.objects_made())
    }

    /// Plans of training steps: every loss, pooling and optimiser.
    pub fn training_plans(limits: &crate::Limits) -> crate::Result<Vec<Plan>> {
        crate::plan::training_plans(limits)
    }

    /// The activation of numbers as the CPU engine computes it, in place; in whole sixteens.
    pub fn activate_on_cpu(activation: crate::Activation, numbers: &mut [f32]) {
        crate::cpu::activate(activation, numbers);
    }

    /// The activation of a number as the reference computes it.
    pub fn activate_in_f64(activation: crate::Activation, x: f64) -> f64 {
        crate::reference::activate(activation, x)
    }

    /// Dispatches of calls and backward passes that an engine has recorded so far; 0 without a GPU.
    pub fn dispatches_recorded(engine: &crate::Engine) -> u64 {
        engine.on_gpu().map_or(0, |gpu| gpu.dispatches_recorded())
    }

    /// Networks and sizes that a [`tuned`](crate::EngineBuilder::tuned) engine has measured so far; the ones
    /// that it knew from its file do not count.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn tunings_measured(engine: &crate::Engine) -> u64 {
        let tunings = engine.on_gpu().and_then(|gpu| gpu.tunings.as_ref());
        tunings.map_or(0, |tunings| tunings.measured())
    }

    /// Bytes of compiled pipelines that an engine's
    /// [`pipeline_cache`](crate::EngineBuilder::pipeline_cache) had for it; 0 without one.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn pipeline_bytes_restored(engine: &crate::Engine) -> u64 {
        let file = engine.on_gpu().and_then(|gpu| gpu.pipelines.cache_file.as_ref());
        file.map_or(0, |file| file.restored)
    }

    /// The weights of a network as they lie on the device; none before its first call, or on another engine.
    pub fn packed_weights(rnn: &crate::Rnn) -> Vec<(KernelWeight, wgpu::Buffer)> {
        rnn.on_gpu().map(|gpu| gpu.packed_weights()).unwrap_or_default()
    }
}
