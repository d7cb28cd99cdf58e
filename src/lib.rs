#![doc = include_str!("../README.md")]

mod activation;
mod call;
mod cell;
mod config;
pub mod cpu;
mod engine;
mod error;
mod fast;
pub mod file;
mod float;
mod gpu;
mod layer;
mod memory;
mod options;
pub mod plan;
pub mod shader;
mod state;
mod stateful;
mod weights;

pub use activation::Activation;
pub use call::{Call, Packed};
pub use cell::Cell;
pub use config::Config;
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use layer::Layer;
pub use options::{CellClip, Directions, Layout, Merge, Outputs, Reset};
pub use plan::{Plan, Schedule};
pub use state::{Output, State};
pub use stateful::Stateful;
pub use weights::{Init, Naming, SlotWeights, Weights, mxnet};
