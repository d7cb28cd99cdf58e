//! The reports of training steps, which the host reads without waiting for the device.

use crate::Result;
use crate::gpu::buffer::Buffer;
use crate::gpu::staging::{Mapped, is_mapped, map, poll};
use crate::gpu::{Gpu, Wait};
use crate::plan::REPORT_LEN;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    free: Vec<Buffer>,
    pending: VecDeque<Pending>,
}

#[derive(Debug)]
struct Pending {
    buffer: Buffer,
    mapped: Mapped,
    /// The answer is there.
    is_answered: Arc<AtomicBool>,
}

impl Reports {
    /// A buffer to copy a report to.
    pub async fn take(&mut self, gpu: &Gpu) -> Result<Buffer> {
        match self.free.pop() {
            Some(buffer) => Ok(buffer),
            None => {
                let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
                gpu.buffer("report", 4 * REPORT_LEN, usage).await
            }
        }
    }

    /// A buffer whose copy was submitted.
    pub fn push(&mut self, buffer: Buffer) {
        let is_answered = Arc::new(AtomicBool::new(false));
        let answer = is_answered.clone();
        let mapped = map(&buffer, wgpu::MapMode::Read, move || answer.store(true, Ordering::Release));
        self.pending.push_back(Pending { buffer, mapped, is_answered });
    }

    /// The reports that are there, in order; all, if it waits for them.
    pub async fn done(&mut self, gpu: &Gpu, waits: Option<Wait>) -> Result<Vec<GpuReport>> {
        let mut done = Vec::new();
        while let Some(pending) = self.pending.front() {
            let is_answered = || pending.is_answered.load(Ordering::Acquire);
            if !is_answered() {
                match waits {
                    Some(wait) => poll(gpu, wait)?,
                    None => {
                        let polled = gpu.device.poll(wgpu::PollType::Poll);
                        polled.map_err(|error| gpu.interrupted(&error.to_string()))?;
                    }
                }
            }
            if waits.is_none() && !is_answered() {
                break;
            }
            let pending = self.pending.pop_front().expect("it was just seen");
            is_mapped(gpu, pending.mapped).await?;
            let bytes = gpu.mapped(pending.buffer.get_mapped_range(..))?.to_vec();
            pending.buffer.unmap();
            self.free.push(pending.buffer);
            let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&bytes);
            done.push(GpuReport { loss: numbers[0], right: numbers[1], norm: numbers[2] });
        }
        Ok(done)
    }
}
