//! The visit of gradients to the host, between the backward passes of an update and the update.

use super::GpuTraining;
use crate::Result;
use crate::gpu::buffer::Buffer;
use crate::gpu::staging::map_all;
use crate::gpu::{Gpu, GpuRnn, Wait};
use crate::plan::{Given, REPORT_LEN};

/// The arrays that gradients lie in: by the network's parameters, and by the head's.
const GRADIENTS: [Given; 2] = [Given::Gradients(0), Given::HeadGradients];

impl GpuTraining {
    /// Numbers of all gradients.
    pub fn gradients_len(&self) -> usize {
        GRADIENTS.iter().map(|&given| self.given(given).size() as usize / 4).sum()
    }

    /// The buffer that gradients and report are read through, made once.
    async fn staging(&mut self, gpu: &Gpu) -> Result<Buffer> {
        if self.staging.is_none() {
            let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
            let bytes = 4 * (self.gradients_len() as u64 + REPORT_LEN);
            self.staging = Some(gpu.buffer("gradients read back", bytes, usage).await?);
        }
        Ok(self.staging.clone().expect("it was just made"))
    }
}

impl GpuRnn {
    /// Reads all gradients back, one array after the other. The answer is the loss and right rows.
    pub async fn read_gradients(
        &self,
        training: &mut GpuTraining,
        into: &mut [f32],
        wait: Wait,
    ) -> Result<[f64; 2]> {
        let gpu = &*self.gpu;
        let staging = training.staging(gpu).await?;
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut first = 0;
            for given in GRADIENTS.into_iter().chain([Given::Report]) {
                let from = training.given(given);
                let bytes = from.size().min(staging.size() - first);
                encoder.copy_buffer_to_buffer(from, 0, &staging, first, bytes);
                first += bytes;
            }
            gpu.queue.submit([encoder.finish()]);
        })
        .await?;
        map_all(gpu, [(&*staging, wgpu::MapMode::Read)].into_iter(), wait).await?;
        let view = gpu.mapped(staging.get_mapped_range(..))?;
        let (gradients, report) = view.split_at(4 * into.len());
        bytemuck::cast_slice_mut(into).copy_from_slice(gradients);
        let report = [0, 4].map(|first| bytemuck::pod_read_unaligned::<f32>(&report[first..first + 4]));
        drop(view);
        staging.unmap();
        Ok(report.map(f64::from))
    }

    /// Updates the parameters by other gradients, whose loss and right rows are told.
    pub async fn update_by(
        &self,
        training: &mut GpuTraining,
        gradients: &[f32],
        report: [f64; 2],
    ) -> Result<()> {
        let gpu = &*self.gpu;
        let into = training.reports.take(gpu).await?;
        gpu.scoped(|| {
            let mut rest = gradients;
            for given in GRADIENTS {
                let to = training.given(given);
                let (own, others) = rest.split_at(to.size() as usize / 4);
                gpu.queue.write_buffer(to, 0, bytemuck::cast_slice(own));
                rest = others;
            }
            let report = report.map(|number| number as f32);
            gpu.queue.write_buffer(training.given(Given::Report), 0, bytemuck::cast_slice(&report));
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            self.record_update(training, &mut encoder, &into);
            gpu.queue.submit([encoder.finish()]);
            training.reports.push(into);
        })
        .await?;
        self.weights.trained().await;
        Ok(())
    }
}
