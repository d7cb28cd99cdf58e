//! Buffers that the library makes, and frees.

use std::ops::Deref;
use std::sync::Arc;

/// A buffer that is destroyed with its last handle.
///
/// wgpu frees a dropped buffer by itself, but for browsers: there the garbage collector frees, which sees no
/// memory of the GPU. Work that was submitted before is done. The owner of a bind group holds its buffers:
/// the bind group does not.
#[derive(Clone, Debug)]
pub(crate) struct Buffer(Arc<Made>);

#[derive(Debug)]
struct Made(wgpu::Buffer);

impl Buffer {
    pub fn new(buffer: wgpu::Buffer) -> Buffer {
        Buffer(Arc::new(Made(buffer)))
    }
}

impl Deref for Buffer {
    type Target = wgpu::Buffer;

    fn deref(&self) -> &wgpu::Buffer {
        &self.0.0
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// Keeps buffers that were recorded into a caller's encoder, until the encoder's work is done or the encoder
/// is dropped.
pub(super) fn hold(encoder: &wgpu::CommandEncoder, buffers: Vec<Buffer>) {
    encoder.on_submitted_work_done(move || drop(buffers));
}
