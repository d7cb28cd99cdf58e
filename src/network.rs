//! The network: the user's settings ([`Config`]), and the network that is resolved from them, once
//! ([`Network`]).

mod activation;
mod back;
mod cell;
mod check;
mod config;
mod equation;
mod options;
mod spec;

pub use activation::Activation;
pub use back::{Array, Back, BackRow, Operand};
pub(crate) use back::{read, written};
pub use cell::Cell;
pub use config::Config;
pub use equation::{Equation, EquationRow, Product};
pub use options::{CellClip, Directions, Dtype, Layout, Merge, Outputs, Reset, Save};
pub(crate) use spec::{CellSpec, Network, SlotSpec};
