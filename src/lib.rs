#![doc = include_str!("../README.md")]

mod activation;
mod buffers;
#[cfg(not(target_arch = "wasm32"))]
mod cache;
mod call;
mod cell;
mod config;
mod cpu;
mod engine;
mod error;
pub mod file;
mod float;
mod gpu;
pub mod kernel;
mod memory;
mod options;
pub mod plan;
mod quote;
pub mod reference;
mod rnn;
mod state;
mod stateful;
mod streams;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
mod weights;

pub use activation::Activation;
pub use buffers::{BufferArray, BufferNeed, Buffers};
pub use call::{Call, Packed};
pub use cell::Cell;
pub use config::Config;
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use options::{CellClip, Directions, Dtype, Layout, Merge, Outputs, Reset};
pub use plan::{Plan, Schedule, Tuning};
pub use rnn::Rnn;
pub use state::{Output, State};
pub use stateful::Stateful;
pub use streams::{MAX_STREAM_STEPS, Stream, Streams};
pub use weights::{Init, Naming, Reader, SlotWeights, Weights, mxnet};
