// Source of both versions: included by `before.rs` and `after.rs`, which say what `library`, `Rnn` and
// `tuned` are.

use crate::{Failure, Network, On, Turn};
use library::{BufferArray, Buffers, Config, Engine, Init, Streams, Weights};
use ndarray::{Array2, Array3};
use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

fn engine(on: On) -> Result<Engine, Failure> {
    Ok(match on {
        On::Cpu => Engine::cpu(),
        On::Adapter => Engine::gpu()?,
        On::Noop => {
            let required_features = wgpu::Features::IMMEDIATES | wgpu::Features::SUBGROUP;
            let required_limits = wgpu::Limits { max_immediate_size: 128, ..Default::default() };
            let (device, queue) = wgpu::Device::noop(&wgpu::DeviceDescriptor {
                required_features,
                required_limits,
                ..Default::default()
            });
            Engine::from_device(device, queue)
        }
    })
}

fn weights(network: &Network) -> Result<Weights, Failure> {
    let config = match network.cell {
        "LSTM" => Config::lstm(network.hidden_size),
        "GRU" => Config::gru(network.hidden_size),
        _ => Config::rnn_tanh(network.hidden_size),
    };
    let config = config.num_layers(network.num_layers).input_size(network.input_size);
    let config = if network.bidirectional { config.bidirectional() } else { config };
    Ok(Weights::init(&config, &Init::pytorch())?)
}

/// Whole calls, as many in a turn as `calls`.
pub fn forward(on: On, network: &Network, steps: usize, batch: usize, calls: usize) -> Result<Turn, Failure> {
    #[allow(unused_mut, reason = "one version's calls are exclusive")]
    let mut rnn = Rnn::new(&engine(on)?, weights(network)?);
    let input = Array3::from_elem((steps, batch, network.input_size), 0.5_f32);
    rnn.forward(&input, None)?;
    Ok(Box::new(move || {
        let start = Instant::now();
        for _ in 0..calls {
            rnn.forward(&input, None)?;
        }
        Ok(start.elapsed() / calls as u32)
    }))
}

/// All that the host does for a call before it waits: the median of some calls.
pub fn host(on: On, paired: bool, steps: usize) -> Result<Turn, Failure> {
    #[allow(unused_mut, reason = "one version's calls are exclusive")]
    let mut rnn = tuned(&engine(on)?, weights(&Network::TINY)?, paired)?;
    let input = Array3::<f32>::ones((steps, 1, Network::TINY.input_size));
    rnn.forward(&input, None)?;
    Ok(Box::new(move || {
        median(crate::HOST_CALLS, || {
            let start = Instant::now();
            let mut call = pin!(rnn.forward_async(&input, None));
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            let time = start.elapsed();
            match polled {
                Poll::Ready(output) => drop(output?),
                Poll::Pending => drop(pollster::block_on(call)?),
            }
            Ok(time)
        })
    }))
}

/// The same on a caller's encoder and buffers, from `encode` to the finished command buffer.
pub fn encode(on: On, paired: bool, steps: usize) -> Result<Turn, Failure> {
    let engine = engine(on)?;
    let (device, queue) = (engine.device().ok_or("no GPU")?.clone(), engine.queue().ok_or("no GPU")?.clone());
    #[allow(unused_mut, reason = "one version's calls are exclusive")]
    let mut rnn = tuned(&engine, weights(&Network::TINY)?, paired)?;
    let buffer = |numbers: usize| {
        let (size, usage) = (4 * numbers as u64, wgpu::BufferUsages::STORAGE);
        device.create_buffer(&wgpu::BufferDescriptor { label: None, size, usage, mapped_at_creation: false })
    };
    let input = buffer(steps * Network::TINY.input_size);
    let output = buffer(steps * 2 * Network::TINY.hidden_size);
    Ok(Box::new(move || {
        median(crate::HOST_CALLS, || {
            let buffers = Buffers::new(steps, 1, BufferArray::new(&input)).output(BufferArray::new(&output));
            let start = Instant::now();
            let mut encoder = device.create_command_encoder(&Default::default());
            rnn.encode(&mut encoder, &buffers)?;
            let commands = encoder.finish();
            let time = start.elapsed();
            queue.submit([commands]);
            device.poll(wgpu::PollType::wait_indefinitely())?;
            Ok(time)
        })
    }))
}

/// One step of each of `count` live streams: the median of some calls.
pub fn stream(on: On, network: &Network, count: usize) -> Result<Turn, Failure> {
    let mut streams = Streams::new(Rnn::new(&engine(on)?, weights(network)?), count)?;
    let all = (0..count).map(|_| streams.join()).collect::<Result<Vec<_>, _>>()?;
    let step = Array2::from_elem((1, network.input_size), 0.5_f32);
    Ok(Box::new(move || {
        let steps: Vec<_> = all.iter().map(|&stream| (stream, step.view())).collect();
        median(crate::STREAM_CALLS, || {
            let start = Instant::now();
            streams.call(&steps)?;
            Ok(start.elapsed())
        })
    }))
}

fn median(calls: usize, mut call: impl FnMut() -> Result<Duration, Failure>) -> Result<Duration, Failure> {
    let mut times = (0..calls).map(|_| call()).collect::<Result<Vec<_>, _>>()?;
    times.sort();
    Ok(times[calls / 2])
}
