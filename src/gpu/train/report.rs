//! The reports of training steps, which the host reads without waiting for the device.

use crate::Result;
use crate::gpu::Gpu;
use crate::plan::REPORT_LEN;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// The numbers of a step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GpuReport {
    pub loss: f32,
    pub right: f32,
    /// The norm of all gradients.
    pub norm: f32,
}

/// Buffers that reports are read from, in turn.
#[derive(Debug, Default)]
pub(super) struct Reports {
    free: Vec<wgpu::Buffer>,
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    buffer: wgpu::Buffer,
    state: Arc<AtomicU8>,
}

const WAITING: u8 = 0;
const READY: u8 = 1;
const FAILED: u8 = 2;

impl Reports {
    /// A buffer to copy a report to.
    pub async fn take(&mut self, gpu: &Gpu) -> Result<wgpu::Buffer> {
        match self.free.pop() {
            Some(buffer) => Ok(buffer),
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                gpu.buffer("report", 4 * REPORT_LEN, usage).await
            }
        }
    }

    /// A buffer whose copy was submitted.
    pub fn push(&mut self, buffer: wgpu::Buffer) {
        let state = Arc::new(AtomicU8::new(WAITING));
        let mapped = state.clone();
        buffer.map_async(wgpu::MapMode::Read, .., move |result| {
            mapped.store(if result.is_ok() { READY } else { FAILED }, Ordering::Release);
        });
        self.pending.push_back(Pending { buffer, state });
    }

    /// The reports that are there, in order; all, if it waits for them.
    pub async fn done(&mut self, gpu: &Gpu, waits: bool) -> Result<Vec<GpuReport>> {
        let mut done = Vec::new();
        while let Some(pending) = self.pending.front() {
            let kind = if waits { wgpu::PollType::wait_indefinitely() } else { wgpu::PollType::Poll };
            if pending.state.load(Ordering::Acquire) == WAITING {
                gpu.device.poll(kind).map_err(|error| gpu.interrupted(&error.to_string()))?;
            }
            match pending.state.load(Ordering::Acquire) {
                READY => {}
                FAILED => return Err(gpu.interrupted("a report was not mapped")),
                _ => break,
            }
            let pending = self.pending.pop_front().expect("it was just seen");
            let bytes = gpu.mapped(pending.buffer.get_mapped_range(..))?.to_vec();
            pending.buffer.unmap();
            self.free.push(pending.buffer);
            let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            done.push(GpuReport { loss: numbers[0], right: numbers[1], norm: numbers[2] });
        }
        Ok(done)
    }
}
