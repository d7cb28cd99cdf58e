//! wgpu-rnn for Python: the private extension under the package `wgpu_rnn`.
//!
//! [`rnn`] is a network and its calls, [`saved`] the gradients of a call, [`streams`] live streams,
//! [`training`] the training loop, [`settings`] the options of a network, [`engine`] the engines of the
//! process. [`given`] has the arrays of a call, [`arrays`] the arrays that cross between Python and Rust,
//! [`interrupt`] calls that Ctrl-C ends, [`process`] the refusal of forks, [`error`] errors as Python has
//! them.

mod arrays;
mod engine;
mod error;
mod given;
mod interrupt;
mod process;
mod rnn;
mod saved;
mod settings;
mod streams;
mod training;

use pyo3::prelude::*;

#[pymodule]
mod _wgpu_rnn {
    #[pymodule_export]
    use crate::engine::engine_name;
    #[pymodule_export]
    use crate::rnn::Rnn;
    #[pymodule_export]
    use crate::saved::Saved;
    #[pymodule_export]
    use crate::streams::{Stream, Streams};
    #[pymodule_export]
    use crate::training::{Clip, Dataset, Head, Loader, Loss, Optimizer, Report, Schedule, Trainer};
}
