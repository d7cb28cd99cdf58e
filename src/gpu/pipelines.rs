//! Pipelines, made when first needed and kept with the device.

use super::Gpu;
#[cfg(not(target_arch = "wasm32"))]
use super::pipeline_cache::{PipelineCache, Verified};
use crate::kernel::{Kernel, StepIndex, Tile};
use crate::plan::Dispatch;
use crate::{Dtype, Result};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A kernel ready to run.
#[derive(Debug)]
pub(crate) struct Pipeline {
    pub pipeline: wgpu::ComputePipeline,
    /// Group 0: sizes and buffers.
    pub buffers: wgpu::BindGroupLayout,
    /// Group 1: the step index, where it is a uniform.
    pub step_index: Option<wgpu::BindGroupLayout>,
}

/// Bytes of a step index: t of both directions, and the number of steps.
pub(super) const STEP_INDEX_BYTES: u32 = 3 * size_of::<u32>() as u32;

/// All pipelines of a device.
#[derive(Debug)]
pub(crate) struct Pipelines {
    pub step_index: StepIndex,
    /// The kernels go without wgpu's checks of indices and loops, and workgroup memory is not zeroed.
    unchecked: bool,
    made: Mutex<HashMap<Key, Arc<Pipeline>>>,
    /// The file that keeps them.
    #[cfg(not(target_arch = "wasm32"))]
    pub cache_file: Option<PipelineCache>,
}

/// The key of a pipeline: its files, and the bits of its overrides.
type Key = (Kernel, Tile, Dtype, Vec<(&'static str, u64)>);

impl Pipelines {
    pub fn new(immediates: bool, unchecked: bool) -> Pipelines {
        let step_index = if immediates { StepIndex::Immediate } else { StepIndex::Uniform };
        Pipelines {
            step_index,
            unchecked,
            made: Mutex::default(),
            #[cfg(not(target_arch = "wasm32"))]
            cache_file: None,
        }
    }

    /// The settings that all pipelines share, in words.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn description(&self) -> String {
        format!(
            "; {:?} step index, {}",
            self.step_index,
            if self.unchecked { "unchecked" } else { "checked" }
        )
    }

    /// Writes them into their file, if they have one.
    pub fn save(&self) {
        #[cfg(not(target_arch = "wasm32"))]
        self.cache_file.iter().for_each(PipelineCache::save);
    }

    /// Drops the pipelines; those that a prepared call holds live on with it.
    pub fn free(&self) {
        self.made.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn cache(&self) -> Option<&wgpu::PipelineCache> {
        #[cfg(not(target_arch = "wasm32"))]
        return self.cache_file.as_ref().map(PipelineCache::cache);
        #[cfg(target_arch = "wasm32")]
        None
    }

    pub async fn get(&self, gpu: &Gpu, dispatch: &Dispatch) -> Result<Arc<Pipeline>> {
        let overrides = dispatch.overrides.iter().map(|&(name, value)| (name, value.to_bits()));
        let key = (dispatch.kernel, dispatch.tile, dispatch.dtype, overrides.collect());
        // The map is only ever whole: an insert is all that is done under its lock.
        let found = self.made.lock().unwrap_or_else(PoisonError::into_inner).get(&key).cloned();
        if let Some(pipeline) = found {
            return Ok(pipeline);
        }
        let pipeline = gpu.scoped(|| self.make(gpu, dispatch)).await?;
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(made.entry(key).or_insert_with(|| Arc::new(pipeline)).clone())
    }

    fn make(&self, gpu: &Gpu, dispatch: &Dispatch) -> Pipeline {
        let Dispatch { kernel, tile, dtype, .. } = *dispatch;
        let label = format!("{}/{tile} {}", kernel.name(), dtype.name());
        let device = &gpu.device;
        let module = self.module(
            device,
            wgpu::ShaderModuleDescriptor {
                label: Some(&label),
                source: wgpu::ShaderSource::Wgsl(kernel.wgsl(tile, self.step_index, dtype).into()),
            },
        );
        let storage = kernel.arrays().iter();
        let storage = storage.map(|array| wgpu::BufferBindingType::Storage { read_only: !array.is_written });
        let types: Vec<_> = [wgpu::BufferBindingType::Uniform].into_iter().chain(storage).collect();
        let buffers = layout(device, &label, &types, false);
        let has_uniform = kernel.has_step_index() && self.step_index == StepIndex::Uniform;
        let step_index =
            has_uniform.then(|| layout(device, "step index", &[wgpu::BufferBindingType::Uniform; 3], true));
        let groups: Vec<_> = [Some(&buffers), step_index.as_ref()].into_iter().flatten().map(Some).collect();
        let has_immediate = kernel.has_step_index() && !has_uniform;
        let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(&label),
            bind_group_layouts: &groups,
            immediate_size: if has_immediate { STEP_INDEX_BYTES } else { 0 },
        });
        let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(&label),
            layout: Some(&layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: &dispatch.overrides,
                // Every kernel writes what it then reads of it.
                zero_initialize_workgroup_memory: !self.unchecked,
            },
            cache: self.cache(),
        });
        gpu.count();
        Pipeline { pipeline, buffers, step_index }
    }
}

impl Pipelines {
    /// The one place where checks are left out.
    #[allow(unsafe_code, reason = "the kernels are the library's own, and keep to their buffers")]
    fn module(
        &self,
        device: &wgpu::Device,
        descriptor: wgpu::ShaderModuleDescriptor<'_>,
    ) -> wgpu::ShaderModule {
        if !self.unchecked {
            return device.create_shader_module(descriptor);
        }
        // SAFETY: The text is one of this library's own kernels, and its sizes and buffers are one plan's.
        // Indices: each is made of workgroup, lane and time step, the first two held to rows and columns
        // before they are used (`a_at`, `b_at`, `epilogue`), the third one of a segment's, and of sizes by
        // which the plan has measured the very buffers. Numbers that come from outside (input, weights,
        // states, lengths) are computed with and compared, but never index anything. A caller's arrays:
        // `interop.rs` has found, without overflow, that they lie within their buffers, and
        // `gpu/interop/carry.rs` binds the ranges that they lie in; a binding is seen with 32 bits.
        // Cooperative matrices: each is sixteen rows of a constant stride in workgroup memory, begun at a
        // constant or at a subgroup's own rows, of subgroups that have some (`multiply/cooperative.wgsl`).
        // Other tiles' workgroup memory: indices are made of constants of the tile, of the invocation's number
        // below the workgroup's size, and of counts below a piece (`multiply/`).
        // Loops: each counts up to a size, or halves a constant.
        unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
    }
}

/// The one place where bytes of a file reach the driver.
#[cfg(not(target_arch = "wasm32"))]
#[allow(unsafe_code, reason = "the driver sees only what it has given out itself")]
pub(super) fn new_cache(device: &wgpu::Device, data: Option<&Verified>) -> wgpu::PipelineCache {
    let data = data.map(Verified::bytes);
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
    // SAFETY: The data has to be what `PipelineCache::get_data` once gave. Only `PipelineCache::save` writes
    // such files, whole, with a checksum of that data, which `Verified` has found to be right; their first
    // line, which names this library's version, the adapter and its driver, was found to be this device's.
    // wgpu compares its own version and the adapter's key once more, and begins with an empty cache where
    // they differ (`fallback`). A checksum is no signature: who can write the file can deceive it, which is
    // why `EngineBuilder::pipeline_cache` asks for a file that nobody else can write.
    unsafe { device.create_pipeline_cache(&descriptor) }
}

fn layout(
    device: &wgpu::Device,
    label: &str,
    types: &[wgpu::BufferBindingType],
    has_dynamic_offset: bool,
) -> wgpu::BindGroupLayout {
    let entries: Vec<_> = (0..)
        .zip(types)
        .map(|(binding, &ty)| wgpu::BindGroupLayoutEntry {
            binding,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset, min_binding_size: None },
            count: None,
        })
        .collect();
    device
        .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries })
}
