#![doc = include_str!("../README.md")]

mod buffers;
#[cfg(not(target_arch = "wasm32"))]
mod cache;
mod call;
mod cpu;
mod engine;
mod error;
pub mod file;
mod float;
mod gpu;
pub mod kernel;
mod memory;
mod network;
pub mod plan;
pub mod reference;
mod rnn;
mod stateful;
mod streams;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
mod weights;

pub use buffers::{BufferArray, BufferNeed, Buffers};
pub use call::{Call, Output, Packed, State};
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use network::{Activation, Cell, CellClip, Config, Directions, Dtype, Layout, Merge, Outputs, Reset};
pub use plan::{Plan, Schedule, Tuning};
pub use rnn::Rnn;
pub use stateful::Stateful;
pub use streams::{MAX_STREAM_STEPS, Stream, Streams};
pub use weights::{Init, Naming, SlotWeights, Weights, mxnet};
