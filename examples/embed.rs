//! A layer inside a program's own work on the GPU: its device, its encoder, its buffers.
//!
//!     cargo run --release --example embed
//!
//! A network reads frames of a signal, and the program's own shader finds the loudest of its units for each
//! frame, from the layer's output where it lies. One submit; only the answer comes back to the host.

#[path = "common/ending.rs"]
mod ending;

use ending::Failure;
use ndarray::{Array3, Axis};
use std::io::Write;
use std::process::ExitCode;
use wgpu::BufferUsages as Usage;
use wgpu_rnn::{BufferArray, Buffers, Config, Engine, Init, Rnn, Weights};

/// Frames, sequences, features and units.
const T: usize = 50;
const N: usize = 4;
const I: usize = 16;
const H: usize = 32;

const LOUDEST: &str = "
    @group(0) @binding(0) var<storage, read> output: array<f32>;
    @group(0) @binding(1) var<storage, read_write> loudest: array<u32>;

    @compute @workgroup_size(64)
    fn main(@builtin(global_invocation_id) id: vec3<u32>) {
        if id.x >= arrayLength(&loudest) {
            return;
        }
        var best = 0u;
        for (var unit = 1u; unit < 32u; unit += 1u) {
            if abs(output[32u * id.x + unit]) > abs(output[32u * id.x + best]) {
                best = unit;
            }
        }
        loudest[id.x] = best;
    }
";

fn main() -> ExitCode {
    ending::run(|out| embed(out).map(|()| ExitCode::SUCCESS))
}

fn embed(out: &mut dyn Write) -> Result<(), Failure> {
    // The program's own device. The layer takes what it offers: more features and larger limits than these
    // would serve it better.
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    descriptor.backends = wgpu::Backends::PRIMARY;
    let instance = wgpu::Instance::new(descriptor);
    let adapter = pollster::block_on(instance.request_adapter(&Default::default()))?;
    let (device, queue) = pollster::block_on(adapter.request_device(&Default::default()))?;
    let engine = Engine::from_device(device.clone(), queue.clone());
    writeln!(out, "on {}", engine.name())?;

    let config = Config::gru(H).input_size(I);
    let rnn = Rnn::new(&engine, Weights::init(&config, &Init::pytorch())?);
    for need in rnn.buffer_needs(T, N)? {
        writeln!(out, "  {need}")?;
    }

    let buffer = |label, size, usage| {
        device.create_buffer(&wgpu::BufferDescriptor {
            label: Some(label),
            size,
            usage,
            mapped_at_creation: false,
        })
    };
    let input = buffer("frames", (4 * T * N * I) as u64, Usage::STORAGE | Usage::COPY_DST);
    let output = buffer("what the units say", (4 * T * N * H) as u64, Usage::STORAGE);
    let loudest = buffer("the loudest", (4 * T * N) as u64, Usage::STORAGE | Usage::COPY_SRC);
    let answer = buffer("the answer", (4 * T * N) as u64, Usage::MAP_READ | Usage::COPY_DST);
    let frames = Array3::from_shape_fn((T, N, I), |(t, n, i)| (0.1 * (t * (n + 1) + i) as f32).sin());
    queue.write_buffer(&input, 0, bytemuck::cast_slice(frames.as_slice().expect("just made, in order")));

    let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some("loudest"),
        source: wgpu::ShaderSource::Wgsl(LOUDEST.into()),
    });
    let pipeline = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some("loudest"),
        layout: None,
        module: &module,
        entry_point: Some("main"),
        compilation_options: Default::default(),
        cache: None,
    });
    let group = device.create_bind_group(&wgpu::BindGroupDescriptor {
        label: Some("loudest"),
        layout: &pipeline.get_bind_group_layout(0),
        entries: &[
            wgpu::BindGroupEntry { binding: 0, resource: output.as_entire_binding() },
            wgpu::BindGroupEntry { binding: 1, resource: loudest.as_entire_binding() },
        ],
    });

    // All in one encoder.
    let mut encoder = device.create_command_encoder(&Default::default());
    let buffers = Buffers::new(T, N, BufferArray::new(&input)).output(BufferArray::new(&output));
    rnn.encode(&mut encoder, &buffers)?;
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups((T * N).div_ceil(64) as u32, 1, 1);
    }
    encoder.copy_buffer_to_buffer(&loudest, 0, &answer, 0, answer.size());
    queue.submit([encoder.finish()]);

    answer.map_async(wgpu::MapMode::Read, .., |mapped| mapped.expect("the buffer is the program's own"));
    device.poll(wgpu::PollType::wait_indefinitely())?;
    let found: Vec<u32> = bytemuck::pod_collect_to_vec(&answer.get_mapped_range(..)?);

    // The same by way of the host, to see that it is right.
    let by_host = rnn.forward(&frames, None)?.output;
    let mut wrong = 0;
    for (units, &unit) in by_host.lanes(Axis(2)).into_iter().zip(&found) {
        let loudest = units.iter().fold(0.0_f32, |loudest, number| loudest.max(number.abs()));
        wrong += usize::from(units[unit as usize].abs() < loudest);
    }
    writeln!(
        out,
        "the loudest units of the first sequence: {:?}",
        found.iter().step_by(N).collect::<Vec<_>>()
    )?;
    if wrong > 0 {
        return Err(format!("{wrong} of {} are not the host's", found.len()).into());
    }
    writeln!(out, "all {} are what the host finds", found.len())?;
    Ok(())
}
