//! wgpu-rnn for pages and workers: the npm package `wgpu-rnn`.
//!
//! [`rnn`] is a network, [`streams`] live streams through one, `training` gradients and training,
//! [`arrays`] the arrays that cross between JavaScript and Rust, [`reader`] the network of a file,
//! [`promise`] and [`turn`] asynchronous calls, [`error`] errors as JavaScript has them.

mod arrays;
mod error;
mod promise;
mod reader;
mod rnn;
mod streams;
#[cfg(feature = "training")]
mod training;
mod turn;

use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen(start)]
fn start() {
    // A panic is a defect of the library: its place is told on the console.
    console_error_panic_hook::set_once();
}
