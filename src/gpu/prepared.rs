//! The GPU objects of one plan, made once and used by every call of its shape.

use super::Gpu;
use super::buffer::Buffer;
use super::pipelines::Pipeline;
use super::weights::KnownBuffers;
use crate::plan::{
    BackDims, Binding, BufferId, CarryDims, Content, Dispatch, GemmDims, NormDims, OuterDims, PackDims, Pass,
    Plan, ReduceDims, StepDims, Transfer, Way,
};
use crate::{Error, Result};
use std::sync::Arc;

/// A plan with its buffers and bind groups.
#[derive(Debug)]
pub(super) struct Prepared {
    pub plan: Plan,
    /// By [`BufferId`]; staging buffers are there where the host writes and reads.
    buffers: Vec<Option<Buffer>>,
    /// The uniforms that bind groups are bound to.
    uniforms: Vec<Buffer>,
    /// The table of time steps, where they are not immediate data.
    pub step_table: Option<StepTable>,
    forward: PreparedWay,
    backward: PreparedWay,
}

/// The call itself, or its backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Forward,
    Backward,
}

/// The objects of a call or of its backward pass.
#[derive(Debug, Default)]
pub(super) struct PreparedWay {
    /// By dispatch, in the plan's order.
    pub dispatches: Vec<Arc<PreparedDispatch>>,
    /// The upload buffers, which are mapped for writing between calls, and the download buffers.
    pub uploads: Vec<BufferId>,
    pub downloads: Vec<BufferId>,
}

/// The objects of a dispatch.
#[derive(Debug)]
pub(super) struct PreparedDispatch {
    pub pipeline: Arc<Pipeline>,
    /// One bind group, or two to be taken in turn where buffers change places.
    pub groups: Vec<wgpu::BindGroup>,
}

/// Time step t at t · stride, to be picked by a dynamic offset.
#[derive(Debug)]
pub(super) struct StepTable {
    pub group: wgpu::BindGroup,
    pub stride: u32,
}

impl Prepared {
    /// Makes the buffers of a plan, except buffers that were made before it.
    pub async fn new(gpu: &Gpu, known: &KnownBuffers, plan: Plan, has_staging: bool) -> Result<Prepared> {
        let mut buffers = Vec::new();
        for buffer in &plan.buffers {
            use wgpu::BufferUsages as Usage;
            let usage = match buffer.content {
                Content::Upload => Usage::MAP_WRITE | Usage::COPY_SRC,
                Content::Download => Usage::MAP_READ | Usage::COPY_DST,
                _ => Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST,
            };
            if !has_staging && matches!(buffer.content, Content::Upload | Content::Download) {
                buffers.push(None);
                continue;
            }
            buffers.push(Some(match buffer.content {
                Content::Weight(_) | Content::Parameters { .. } | Content::Given(_) => {
                    known[&buffer.content].clone()
                }
                Content::Upload | Content::Download | Content::Work | Content::Saved => {
                    let made = gpu.buffer(&buffer.name, buffer.bytes(), usage).await;
                    made.map_err(|error| needing(error, &plan))?
                }
            }));
        }
        let (mut dispatches, sizes) = prepare(gpu, &plan, &buffers).await?;
        let mut uniforms = vec![sizes];
        let layout = dispatches.iter().find_map(|prepared| prepared.pipeline.step_index.as_ref());
        let step_table = match layout {
            Some(layout) => {
                let (table, steps) = step_table(gpu, longest_segment(&plan), layout).await?;
                uniforms.push(steps);
                Some(table)
            }
            None => None,
        };
        let count = plan.forward.passes().map(|pass| pass.dispatches.len()).sum();
        let backward = plan.backward.as_ref().map(|way| PreparedWay::new(way, dispatches.split_off(count)));
        let forward = PreparedWay::new(&plan.forward, dispatches);
        Ok(Prepared { plan, buffers, uniforms, step_table, forward, backward: backward.unwrap_or_default() })
    }

    /// The plan and the objects of a call, or of its backward pass.
    pub fn way(&self, turn: Turn) -> (&Way, &PreparedWay) {
        match (turn, &self.plan.backward) {
            (Turn::Backward, Some(way)) => (way, &self.backward),
            _ => (&self.plan.forward, &self.forward),
        }
    }

    /// The weights among the buffers.
    pub fn weights(&self) -> KnownBuffers {
        let pairs = self.plan.buffers.iter().zip(&self.buffers);
        let weights = pairs.filter(|(buffer, _)| matches!(buffer.content, Content::Weight(_)));
        weights.filter_map(|(buffer, made)| Some((buffer.content, made.clone()?))).collect()
    }

    /// Every buffer that a recorded call needs until the call is done.
    pub fn held(&self) -> impl Iterator<Item = &Buffer> {
        self.buffers.iter().flatten().chain(&self.uniforms)
    }

    pub fn buffer(&self, id: BufferId) -> &wgpu::Buffer {
        of(&self.buffers, id)
    }
}

impl PreparedWay {
    fn new(way: &Way, dispatches: Vec<Arc<PreparedDispatch>>) -> PreparedWay {
        let staging = |transfers: &[Transfer]| {
            let mut all: Vec<BufferId> = transfers.iter().map(|transfer| transfer.staging).collect();
            all.dedup();
            all
        };
        let (uploads, downloads) = (staging(&way.uploads), staging(&way.downloads));
        PreparedWay { dispatches, uploads, downloads }
    }
}

/// Encoded calls have no staging buffers and use none; the host's calls have all of them.
fn of(buffers: &[Option<Buffer>], BufferId(id): BufferId) -> &wgpu::Buffer {
    buffers[id].as_ref().expect("a buffer that the plan uses is there")
}

/// An error about memory, with the plan that needs the memory.
fn needing(error: Error, plan: &Plan) -> Error {
    match error {
        Error::OutOfMemory(reason) => {
            Error::OutOfMemory(format!("{} needs {} bytes in all: {reason}", plan.title, plan.buffer_bytes()))
        }
        other => other,
    }
}

/// Steps that the kernels count.
fn longest_segment(plan: &Plan) -> usize {
    let times = plan.passes().filter_map(|pass| pass.times);
    times.map(|times| (times.first + times.count - times.origin) as usize).max().unwrap_or(0)
}

/// A pipeline and bind groups for every dispatch, and the uniform buffer that all their sizes lie in. A pass
/// that was cut where a submit was full has the same pipelines and bind groups in each of its parts.
async fn prepare(
    gpu: &Gpu,
    plan: &Plan,
    buffers: &[Option<Buffer>],
) -> Result<(Vec<Arc<PreparedDispatch>>, Buffer)> {
    let stride = uniform_stride(gpu);
    let mut passes: Vec<&Pass> = plan.passes().collect();
    passes.dedup_by(|pass, before| Arc::ptr_eq(&pass.dispatches, &before.dispatches));
    let all = || passes.iter().flat_map(|pass| pass.dispatches.iter());
    let mut bytes = Vec::new();
    for (index, dispatch) in all().enumerate() {
        bytes.resize(index * stride, 0);
        bytes.extend_from_slice(dispatch.dims.bytes());
    }
    let (needed, limit) = (bytes.len() as u64, gpu.limits.max_buffer_bytes);
    if needed > limit {
        let what = format!("the sizes of {} dispatches", all().count());
        return Err(Error::TooLarge {
            what,
            needed,
            limit,
            unit: "bytes",
            holder: "a buffer of the adapter",
        });
    }
    let dims = gpu.filled("sizes", &padded(bytes), wgpu::BufferUsages::UNIFORM).await?;

    let mut distinct = Vec::new();
    for (index, dispatch) in all().enumerate() {
        let pipeline = gpu.pipelines.get(gpu, dispatch).await?;
        let sizes = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: &dims,
            offset: (index * stride) as u64,
            size: wgpu::BufferSize::new(dispatch.dims.bytes().len() as u64),
        });
        let mut groups = Vec::new();
        for bindings in orders(dispatch) {
            let storage = bindings.iter().map(|&binding| resource(buffers, binding));
            let entries: Vec<_> = (0..)
                .zip([sizes.clone()].into_iter().chain(storage))
                .map(|(binding, resource)| wgpu::BindGroupEntry { binding, resource })
                .collect();
            groups.push(bind(gpu, dispatch.kernel.name(), &pipeline.buffers, &entries).await?);
        }
        distinct.push(Arc::new(PreparedDispatch { pipeline, groups }));
    }
    let mut prepared: Vec<Arc<PreparedDispatch>> = Vec::new();
    let mut next = distinct.iter();
    let mut before: Option<&Pass> = None;
    for pass in plan.passes() {
        let count = pass.dispatches.len();
        if before.is_some_and(|before| Arc::ptr_eq(&before.dispatches, &pass.dispatches)) {
            prepared.extend_from_within(prepared.len() - count..);
        } else {
            prepared.extend(next.by_ref().take(count).cloned());
        }
        before = Some(pass);
    }
    Ok((prepared, dims))
}

/// The bindings of even and of odd time steps.
fn orders(dispatch: &Dispatch) -> impl Iterator<Item = &[Binding]> {
    [Some(&dispatch.bindings), dispatch.odd.as_ref()].into_iter().flatten().map(Vec::as_slice)
}

fn resource(buffers: &[Option<Buffer>], binding: Binding) -> wgpu::BindingResource<'_> {
    let (offset, size) =
        binding.range.map_or((0, None), |(offset, size)| (offset, wgpu::BufferSize::new(size)));
    wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: of(buffers, binding.buffer), offset, size })
}

/// The bind group of time steps, and their buffer.
async fn step_table(gpu: &Gpu, steps: usize, layout: &wgpu::BindGroupLayout) -> Result<(StepTable, Buffer)> {
    let stride = uniform_stride(gpu);
    // The last one as a count of steps.
    let slots = steps + 1;
    let needed = (slots as u64).saturating_mul(stride as u64);
    let limit = gpu.limits.max_buffer_bytes.min(u64::from(u32::MAX));
    if needed > limit {
        let what = format!("table of {steps} time steps");
        return Err(Error::TooLarge { what, needed, limit, unit: "bytes", holder: "the adapter" });
    }
    let mut bytes = vec![0; slots * stride];
    for (t, slot) in (0u32..).zip(bytes.chunks_exact_mut(stride)) {
        slot[..4].copy_from_slice(bytemuck::bytes_of(&t));
    }
    let table = gpu.filled("time steps", &bytes, wgpu::BufferUsages::UNIFORM).await?;
    let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
        buffer: &table,
        offset: 0,
        size: wgpu::BufferSize::new(4),
    });
    let entries = [0, 1, 2].map(|binding| wgpu::BindGroupEntry { binding, resource: resource.clone() });
    let group = bind(gpu, "time steps", layout, &entries).await?;
    // The adapter's alignment is a few hundred bytes.
    Ok((StepTable { group, stride: stride as u32 }, table))
}

pub(super) async fn bind(
    gpu: &Gpu,
    label: &str,
    layout: &wgpu::BindGroupLayout,
    entries: &[wgpu::BindGroupEntry<'_>],
) -> Result<wgpu::BindGroup> {
    gpu.count();
    let descriptor = wgpu::BindGroupDescriptor { label: Some(label), layout, entries };
    gpu.scoped(|| gpu.device.create_bind_group(&descriptor)).await
}

/// From one slot of a uniform buffer to the next: aligned, and longer than any kernel's sizes.
pub(super) fn uniform_stride(gpu: &Gpu) -> usize {
    (gpu.device.limits().min_uniform_buffer_offset_alignment as usize).max(LONGEST_DIMS)
}

/// A power of two, as alignments are.
const LONGEST_DIMS: usize = 128;
const _: () = assert!(size_of::<StepDims>() <= LONGEST_DIMS && size_of::<GemmDims>() <= LONGEST_DIMS);
const _: () = assert!(size_of::<NormDims>() <= LONGEST_DIMS && size_of::<CarryDims>() <= LONGEST_DIMS);
const _: () = assert!(size_of::<PackDims>() <= LONGEST_DIMS && size_of::<BackDims>() <= LONGEST_DIMS);
const _: () = assert!(size_of::<OuterDims>() <= LONGEST_DIMS && size_of::<ReduceDims>() <= LONGEST_DIMS);

/// Buffers that are mapped when they are made have a size in whole fours of bytes; a uniform is best in whole
/// sixteens.
pub(super) fn padded(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.resize(bytes.len().next_multiple_of(16), 0);
    bytes
}
