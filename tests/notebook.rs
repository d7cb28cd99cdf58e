//! The notebook on the CPU reference; `engines/` does the same on the other engines.

mod common;
#[path = "common/notebook.rs"]
mod notebook;

#[test]
fn equals_mxnet_on_the_reference() {
    notebook::check(&wgpu_rnn::Engine::reference(), None).unwrap();
}
