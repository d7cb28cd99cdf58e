//! A device, kernels on it, and the time that they take.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Instant;
use wgpu::util::DeviceExt;
use wgpu_rnn::{Engine, Limits};

pub type Failure = Box<dyn std::error::Error>;

pub struct Gpu {
    device: wgpu::Device,
    queue: wgpu::Queue,
    /// Adapter, back end and driver.
    pub name: String,
    pub limits: Limits,
}

pub struct Kernel {
    pipeline: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

/// A kernel's text and what the host sets in it.
pub struct Source<'a> {
    pub wgsl: &'a str,
    /// Storage buffers, from binding 1 on, that it reads, and those after them that it writes.
    pub arrays: (usize, usize),
    /// Bytes of immediate data.
    pub immediates: u32,
    pub overrides: &'a [(&'a str, f64)],
}

/// One dispatch.
#[derive(Clone)]
pub struct Launch {
    pub kernel: Rc<Kernel>,
    pub group: wgpu::BindGroup,
    pub immediates: Vec<u32>,
    pub workgroups: [u32; 3],
}

impl Gpu {
    /// The best adapter, or the one whose name contains `WGPU_ADAPTER_NAME`, with what the library asks of
    /// it.
    pub fn open() -> Result<Gpu, Failure> {
        let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle_from_env();
        descriptor.backends = wgpu::Backends::PRIMARY;
        let instance = wgpu::Instance::new(descriptor);
        let adapter = pollster::block_on(adapter(&instance))?;
        let wanted = wgpu::Features::IMMEDIATES | wgpu::Features::SUBGROUP;
        let descriptor = wgpu::DeviceDescriptor {
            required_features: adapter.features() & wanted,
            required_limits: adapter.limits(),
            ..Default::default()
        };
        let (device, queue) = pollster::block_on(adapter.request_device(&descriptor))?;
        if !device.features().contains(wgpu::Features::IMMEDIATES) {
            return Err(
                "these kernels are told the time step by immediate data, which the adapter lacks".into()
            );
        }
        // The library's limits and plans of such a device.
        let engine = Engine::from_device(device.clone(), queue.clone());
        let limits = engine.limits().ok_or("no GPU")?;
        Ok(Gpu { device, queue, name: engine.name().to_owned(), limits })
    }

    pub fn kernel(&self, source: &Source<'_>) -> Rc<Kernel> {
        let module = self.device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: None,
            source: wgpu::ShaderSource::Wgsl(source.wgsl.into()),
        });
        let (reads, writes) = source.arrays;
        let storage =
            (0..reads + writes).map(|index| wgpu::BufferBindingType::Storage { read_only: index < reads });
        let entries: Vec<_> = (0..)
            .zip([wgpu::BufferBindingType::Uniform].into_iter().chain(storage))
            .map(|(binding, ty)| wgpu::BindGroupLayoutEntry {
                binding,
                visibility: wgpu::ShaderStages::COMPUTE,
                ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
                count: None,
            })
            .collect();
        let layout = self
            .device
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries: &entries });
        let pipeline_layout = self.device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: None,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: source.immediates,
        });
        let pipeline = self.device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: None,
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                constants: source.overrides,
                ..Default::default()
            },
            cache: None,
        });
        Rc::new(Kernel { pipeline, layout })
    }

    pub fn buffer(&self, numbers: &[f32]) -> wgpu::Buffer {
        self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: bytemuck::cast_slice(numbers),
            usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST,
        })
    }

    pub fn zeros(&self, len: usize) -> wgpu::Buffer {
        self.buffer(&vec![0.0; len])
    }

    /// The sizes, binding 0, and the storage buffers.
    pub fn bind(&self, kernel: &Kernel, dims: &[u8], buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let whole: Vec<_> = buffers.iter().map(|buffer| buffer.as_entire_buffer_binding()).collect();
        self.bind_parts(kernel, dims, &whole)
    }

    /// The same with parts of buffers.
    pub fn bind_parts(
        &self,
        kernel: &Kernel,
        dims: &[u8],
        parts: &[wgpu::BufferBinding<'_>],
    ) -> wgpu::BindGroup {
        let mut contents = dims.to_vec();
        contents.resize(dims.len().next_multiple_of(16).max(16), 0);
        let dims = self.device.create_buffer_init(&wgpu::util::BufferInitDescriptor {
            label: None,
            contents: &contents,
            usage: wgpu::BufferUsages::UNIFORM,
        });
        let entries: Vec<_> = (0..)
            .zip([dims.as_entire_buffer_binding()].into_iter().chain(parts.iter().cloned()))
            .map(|(binding, part)| wgpu::BindGroupEntry {
                binding,
                resource: wgpu::BindingResource::Buffer(part),
            })
            .collect();
        self.device.create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &kernel.layout,
            entries: &entries,
        })
    }

    /// Records the dispatches in a pass, submits them and waits: the seconds of it all.
    pub fn time(&self, launches: &[Launch]) -> Result<f64, Failure> {
        let start = Instant::now();
        let mut encoder = self.device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&Default::default());
        for Launch { kernel, group, immediates, workgroups: [x, y, z] } in launches {
            pass.set_pipeline(&kernel.pipeline);
            pass.set_bind_group(0, group, &[]);
            if !immediates.is_empty() {
                pass.set_immediates(0, bytemuck::cast_slice(immediates));
            }
            pass.dispatch_workgroups(*x, *y, *z);
        }
        drop(pass);
        self.queue.submit([encoder.finish()]);
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        Ok(start.elapsed().as_secs_f64())
    }

    pub fn clear(&self, buffers: &[&wgpu::Buffer]) {
        let mut encoder = self.device.create_command_encoder(&Default::default());
        buffers.iter().for_each(|buffer| encoder.clear_buffer(buffer, 0, None));
        self.queue.submit([encoder.finish()]);
    }

    pub fn read<T: bytemuck::Pod>(&self, buffer: &wgpu::Buffer) -> Result<Vec<T>, Failure> {
        let staging = self.device.create_buffer(&wgpu::BufferDescriptor {
            label: None,
            size: buffer.size(),
            usage: wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST,
            mapped_at_creation: false,
        });
        let mut encoder = self.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, buffer.size());
        self.queue.submit([encoder.finish()]);
        staging.map_async(wgpu::MapMode::Read, .., |_| {});
        self.device.poll(wgpu::PollType::wait_indefinitely())?;
        let view = staging.get_mapped_range(..)?;
        Ok(bytemuck::pod_collect_to_vec(&view[..]))
    }
}

async fn adapter(instance: &wgpu::Instance) -> Result<wgpu::Adapter, Failure> {
    let Some(part) = std::env::var("WGPU_ADAPTER_NAME").ok().filter(|part| !part.is_empty()) else {
        let power_preference = wgpu::PowerPreference::HighPerformance;
        let options = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
        return Ok(instance.request_adapter(&options).await?);
    };
    let mut adapters = instance.enumerate_adapters(wgpu::Backends::PRIMARY).await.into_iter();
    let is_it =
        |adapter: &wgpu::Adapter| adapter.get_info().name.to_lowercase().contains(&part.to_lowercase());
    adapters.find(is_it).ok_or_else(|| format!("no adapter has {part} in its name").into())
}

/// The text with ROWS set, and each line that has `{r}` in it once a row.
pub fn unrolled(wgsl: &str, rows: usize) -> String {
    let mut text = format!("const ROWS: u32 = {rows}u;\n");
    for line in wgsl.lines() {
        let times = if line.contains("{r}") && !line.trim_start().starts_with("//") { rows } else { 1 };
        for row in 0..times {
            text.push_str(&line.replace("{r}", &row.to_string()));
            text.push('\n');
        }
    }
    text
}

/// The arrays of a kernel of the library: those that it reads, and those that it writes.
pub fn arrays(kernel: wgpu_rnn::inspect::Kernel) -> (usize, usize) {
    let written = kernel.arrays().iter().filter(|array| array.is_written).count();
    (kernel.arrays().len() - written, written)
}

/// Buffers by some key, each made once.
pub type Buffers<K> = HashMap<K, wgpu::Buffer>;
