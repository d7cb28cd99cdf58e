#![doc = include_str!("../README.md")]

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
#[cfg(not(target_arch = "wasm32"))]
mod cache;
mod call;
mod cpu;
mod engine;
mod error;
pub mod file;
mod float;
mod gpu;
mod interop;
mod kernel;
mod memory;
mod network;
mod plan;
mod quote;
pub mod reference;
mod rnn;
mod stateful;
mod streams;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
mod weights;

pub use call::{Call, Output, Packed, PassTime, State};
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use interop::{BufferArray, BufferNeed, Buffers};
pub use kernel::Tile;
pub use network::{Activation, Cell, CellClip, Config, Directions, Dtype, Layout, Merge, Outputs, Reset};
pub use plan::{Limits, Plan, Schedule, Tuning, Workload};
pub use rnn::Rnn;
pub use stateful::Stateful;
pub use streams::{MAX_STREAM_STEPS, Stream, Streams};
pub use weights::{Init, Naming, Reader, SlotWeights, Weights, mxnet};

/// The inside of plans and kernels, for the library's own tests and benches: no part of its face, and free to change.
#[doc(hidden)]
pub mod inspect {
    pub use crate::call::{Piece, ResultArray, Source};
    pub use crate::kernel::*;
    pub use crate::network::{Equation, EquationRow, Product};
    pub use crate::plan::*;
}
