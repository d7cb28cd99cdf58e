#![doc = include_str!("../README.md")]

mod cell;
mod config;
pub mod cpu;
mod engine;
mod error;
pub mod file;
mod float;
mod gpu;
mod layer;
mod memory;
pub mod plan;
pub mod shader;
mod state;
mod weights;

pub use cell::{Activation, Cell};
pub use config::{Config, Directions, Layout};
pub use engine::{Engine, EngineBuilder};
pub use error::{Error, Result};
pub use float::Float;
pub use layer::Layer;
pub use plan::Plan;
pub use state::{Output, State};
pub use weights::{Init, Naming, SlotWeights, Weights, mxnet};
