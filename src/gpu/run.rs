//! The GPU objects of one plan, made once and used by every call of its shape.

use super::Gpu;
use super::kernels::Pipeline;
use crate::plan::{BufferId, Content, Plan};
use crate::{Error, Result};
use std::{collections::HashMap, sync::Arc};

/// A plan with its buffers and bind groups.
#[derive(Debug)]
pub(super) struct Run {
    /// T and N.
    pub shape: (usize, usize),
    pub plan: Plan,
    /// By [`BufferId`].
    pub buffers: Vec<wgpu::Buffer>,
    /// By dispatch, in the plan's order.
    pub dispatches: Vec<Prepared>,
    /// The table of time steps, where they are not immediate data.
    pub step_table: Option<StepTable>,
    /// Mapped for writing between calls.
    pub upload: wgpu::Buffer,
    pub download: wgpu::Buffer,
}

/// What a dispatch needs beside its workgroups.
#[derive(Debug)]
pub(super) struct Prepared {
    pub pipeline: Arc<Pipeline>,
    /// One, or two to be taken in turn where buffers change places.
    pub groups: Vec<wgpu::BindGroup>,
}

/// Time step t at t · stride, to be picked by a dynamic offset.
#[derive(Debug)]
pub(super) struct StepTable {
    pub group: wgpu::BindGroup,
    pub stride: u32,
}

impl Run {
    pub async fn new(
        gpu: &Gpu,
        weights: &HashMap<Content, wgpu::Buffer>,
        plan: Plan,
        shape: (usize, usize),
    ) -> Result<Run> {
        let mut buffers = Vec::new();
        for buffer in &plan.buffers {
            use wgpu::BufferUsages as Usage;
            let usage = match buffer.content {
                Content::Upload => Usage::MAP_WRITE | Usage::COPY_SRC,
                Content::Download => Usage::MAP_READ | Usage::COPY_DST,
                _ => Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST,
            };
            buffers.push(match weights.get(&buffer.content) {
                Some(weights) => weights.clone(),
                None => gpu.buffer(&buffer.name, buffer.len, usage).await?,
            });
        }
        let dispatches = prepare(gpu, &plan, &buffers).await?;
        let layout = dispatches.iter().find_map(|prepared| prepared.pipeline.step_index.as_ref());
        let step_table = match layout {
            Some(layout) => Some(step_table(gpu, shape.0, layout).await?),
            None => None,
        };
        let find = |content| buffers[plan.find(content).0].clone();
        let (upload, download) = (find(Content::Upload), find(Content::Download));
        Ok(Run { shape, plan, buffers, dispatches, step_table, upload, download })
    }
}

/// A pipeline and a bind group for every dispatch; their sizes all lie in one uniform buffer.
async fn prepare(gpu: &Gpu, plan: &Plan, buffers: &[wgpu::Buffer]) -> Result<Vec<Prepared>> {
    let stride = uniform_stride(gpu);
    let all = || plan.passes().flat_map(|pass| &pass.dispatches);
    let mut bytes = Vec::new();
    for (index, dispatch) in all().enumerate() {
        bytes.resize(index * stride, 0);
        bytes.extend_from_slice(dispatch.dims.bytes());
    }
    let dims = gpu.storage("sizes", &padded(bytes), wgpu::BufferUsages::UNIFORM).await?;

    let mut prepared = Vec::new();
    for (index, dispatch) in all().enumerate() {
        let pipeline = gpu.kernels.get(gpu, dispatch.kernel, dispatch.tile).await?;
        let sizes = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &dims,
            offset: (index * stride) as u64,
            size: wgpu::BufferSize::new(dispatch.dims.bytes().len() as u64),
        });
        let mut orders = vec![dispatch.buffers.clone()];
        if let Some((a, b)) = dispatch.kernel.alternates() {
            let mut swapped = dispatch.buffers.clone();
            swapped.swap(a, b);
            orders.push(swapped);
        }
        let mut groups = Vec::new();
        for order in orders {
            let storage = order.iter().map(|&BufferId(id)| buffers[id].as_entire_binding());
            let entries: Vec<_> = (0..)
                .zip([sizes.clone()].into_iter().chain(storage))
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            groups.push(bind(gpu, dispatch.kernel.name(), &pipeline.buffers, &entries).await?);
        }
        prepared.push(Prepared { pipeline, groups });
    }
    Ok(prepared)
}

async fn step_table(gpu: &Gpu, steps: usize, layout: &wgpu::BindGroupLayout) -> Result<StepTable> {
    let stride = uniform_stride(gpu);
    let needed = (steps as u64).saturating_mul(stride as u64);
    let limit = gpu.limits.max_buffer_bytes.min(u64::from(u32::MAX));
    if needed > limit {
        let what = format!("table of {steps} time steps");
        return Err(Error::TooLarge { what, needed, limit, unit: "bytes", holder: "the adapter" });
    }
    let mut bytes = vec![0; steps * stride];
    for (t, slot) in (0u32..).zip(bytes.chunks_exact_mut(stride)) {
        slot[..4].copy_from_slice(bytemuck::bytes_of(&t));
    }
    let table = gpu.storage("time steps", &bytes, wgpu::BufferUsages::UNIFORM).await?;
    let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer: &table,
        offset: 0,
        size: wgpu::BufferSize::new(4),
    });
    let entries = [wgpu::BindGroupEntry { binding: 0, resource }];
    let group = bind(gpu, "time steps", layout, &entries).await?;
    // The adapter's alignment is a few hundred bytes.
    Ok(StepTable { group, stride: stride as u32 })
}

async fn bind(
    gpu: &Gpu,
    label: &str,
    layout: &wgpu::BindGroupLayout,
    entries: &[wgpu::BindGroupEntry<'_>],
) -> Result<wgpu::BindGroup> {
    gpu.count();
    let descriptor = wgpu::BindGroupDescriptor { label: Some(label), layout, entries };
    gpu.scoped(|| gpu.device.create_bind_group(&descriptor)).await
}

fn uniform_stride(gpu: &Gpu) -> usize {
    gpu.device.limits().min_uniform_buffer_offset_alignment as usize
}

/// Buffers that are mapped when they are made have a size in whole fours of bytes; a uniform is best in whole sixteens.
fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes
}
