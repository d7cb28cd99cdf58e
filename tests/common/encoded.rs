//! Calls from buffers to buffers, and what then stands in them.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use crate::common::Case;
use libtest_mimic::Failed;
use ndarray::{Array3, ArrayD, s};
use wgpu::BufferUsages as Usage;
use wgpu_rnn::{BufferArray, Buffers, Dtype, Engine, Layout, Output, Rnn};

/// How the arrays lie in their buffers.
#[derive(Clone, Copy, Debug)]
pub struct Lie {
    pub offset: u64,
    /// Numbers between a row's end and the next one's beginning.
    pub gap: u64,
    pub dtype: Dtype,
}

/// One after the other.
pub const CONTIGUOUS: Lie = Lie { offset: 0, gap: 0, dtype: Dtype::F32 };

/// The number in places where nothing may be written.
const UNTOUCHED: f32 = -7.5;

pub fn buffer(engine: &Engine, size: u64, usage: Usage) -> wgpu::Buffer {
    let usage = usage | Usage::COPY_DST | Usage::COPY_SRC;
    let label = Some("a caller's");
    let device = engine.device().expect("a GPU");
    device.create_buffer(&wgpu::BufferDescriptor { label, size, usage, mapped_at_creation: false })
}

/// The bytes of a buffer, once all that was submitted is done.
pub fn read(engine: &Engine, from: &wgpu::Buffer) -> Result<Vec<u8>, Failed> {
    let (device, queue) = (engine.device().ok_or("no GPU")?, engine.queue().ok_or("no GPU")?);
    let staging = device.create_buffer(&wgpu::BufferDescriptor {
        label: None,
        size: from.size(),
        usage: Usage::MAP_READ | Usage::COPY_DST,
        mapped_at_creation: false,
    });
    let mut encoder = device.create_command_encoder(&Default::default());
    encoder.copy_buffer_to_buffer(from, 0, &staging, 0, from.size());
    queue.submit([encoder.finish()]);
    staging.map_async(wgpu::MapMode::Read, .., |_| {});
    device.poll(wgpu::PollType::wait_indefinitely())?;
    Ok(staging.get_mapped_range(..)?.to_vec())
}

/// An array `[A, B, C]` in a buffer of its own, filled with what is not to be touched.
struct Held {
    buffer: wgpu::Buffer,
    lie: Lie,
    shape: [usize; 3],
}

impl Held {
    fn new(engine: &Engine, lie: Lie, shape: [usize; 3]) -> Held {
        let [a, b, c] = shape.map(|size| size as u64);
        let bytes = (lie.offset + a * b * (c + lie.gap) * lie.dtype.bytes()).next_multiple_of(4);
        let held = Held { buffer: buffer(engine, bytes, Usage::STORAGE), lie, shape };
        held.write(engine, &vec![UNTOUCHED; (bytes / lie.dtype.bytes()) as usize], 0);
        held
    }

    fn with(engine: &Engine, lie: Lie, array: &Array3<f32>) -> Held {
        let (a, b, c) = array.dim();
        let held = Held::new(engine, lie, [a, b, c]);
        let mut rows = Array3::from_elem((a, b, c + lie.gap as usize), UNTOUCHED);
        rows.slice_mut(s![.., .., ..c]).assign(array);
        held.write(engine, &rows.into_raw_vec_and_offset().0, lie.offset);
        held
    }

    fn write(&self, engine: &Engine, numbers: &[f32], offset: u64) {
        let mut bytes: Vec<u8> = match self.lie.dtype {
            Dtype::F32 => bytemuck::cast_slice(numbers).to_vec(),
            Dtype::F16 => numbers.iter().flat_map(|&x| half::f16::from_f32(x).to_ne_bytes()).collect(),
        };
        if !bytes.len().is_multiple_of(4) {
            bytes.extend(half::f16::from_f32(UNTOUCHED).to_ne_bytes());
        }
        engine.queue().expect("a GPU").write_buffer(&self.buffer, offset, &bytes);
    }

    /// As `axes` order the first two: time and sequence, or the other way.
    fn array(&self, swapped: bool) -> BufferArray<'_> {
        let row = self.shape[2] as u64 + self.lie.gap;
        let (outer, inner) = (self.shape[1] as u64 * row, row);
        let array = BufferArray::new(&self.buffer).offset(self.lie.offset).dtype(self.lie.dtype);
        if self.lie.gap == 0 {
            return array;
        }
        if swapped { array.strides(inner, outer) } else { array.strides(outer, inner) }
    }

    /// The array's numbers; an error if a number beside the array has changed.
    fn read(&self, engine: &Engine) -> Result<ArrayD<f32>, Failed> {
        let bytes = read(engine, &self.buffer)?;
        let numbers: Vec<f32> = match self.lie.dtype {
            Dtype::F32 => bytemuck::pod_collect_to_vec(&bytes),
            Dtype::F16 => {
                bytes.chunks_exact(2).map(|two| half::f16::from_ne_bytes([two[0], two[1]]).to_f32()).collect()
            }
        };
        let first = (self.lie.offset / self.lie.dtype.bytes()) as usize;
        let [a, b, c] = self.shape;
        let row = c + self.lie.gap as usize;
        let rows = Array3::from_shape_vec((a, b, row), numbers[first..first + a * b * row].to_vec())?;
        let beside = rows.slice(s![.., .., c..]);
        if beside.iter().chain(&numbers[..first]).any(|&number| number != UNTOUCHED) {
            return Err("something was written beside an array".into());
        }
        Ok(rows.slice(s![.., .., ..c]).to_owned().into_dyn())
    }
}

/// A case, encoded; whether every array is bit for bit what the host's call has given. With f16 outside, to
/// its rounding.
pub fn equals(engine: &Engine, rnn: &Rnn, case: &Case, lie: Lie, host: &Output) -> Result<(), Failed> {
    let config = case.weights.config().clone();
    let [a, b, _] = case.input.shape() else { unreachable!("three axes") };
    let is_ntc = config.layout == Layout::Ntc;
    let (steps, batch) = if is_ntc { (*b, *a) } else { (*a, *b) };
    let input = Held::with(engine, lie, &case.input);
    let state = case.state.as_ref();
    let h_0 = state.map(|state| Held::with(engine, lie, &state.h));
    let c_0 = state.and_then(|state| state.c.as_ref()).map(|c| Held::with(engine, lie, c));
    let lengths = case.lengths.as_ref().map(|lengths| {
        let held = buffer(engine, 4 * lengths.len() as u64 + 8, Usage::COPY_SRC);
        let lengths: Vec<u32> = lengths.iter().map(|&length| length as u32).collect();
        engine.queue().expect("a GPU").write_buffer(&held, 8, bytemuck::cast_slice(&lengths));
        held
    });
    let place = |array: &Array3<f32>| {
        let (a, b, c) = array.dim();
        Held::new(engine, lie, [a, b, c])
    };
    let output = place(&host.output);
    let reverse = host.output_reverse.as_ref().map(place);
    let cells = host.cell_states.as_ref().map(place);
    let lower: Vec<Held> = host.lower.iter().map(place).collect();
    let h_n = place(&host.h_n);
    let c_n = host.c_n.as_ref().map(place);

    let mut buffers = Buffers::new(steps, batch, input.array(is_ntc));
    buffers = buffers.output(output.array(is_ntc)).h_n(h_n.array(false));
    if let Some(held) = &h_0 {
        buffers = buffers.h_0(held.array(false));
    }
    if let Some(held) = &c_0 {
        buffers = buffers.c_0(held.array(false));
    }
    if let Some(held) = &c_n {
        buffers = buffers.c_n(held.array(false));
    }
    if let Some(held) = &reverse {
        buffers = buffers.output_reverse(held.array(is_ntc));
    }
    if let Some(held) = &cells {
        buffers = buffers.cell_states(held.array(is_ntc));
    }
    for (layer, held) in lower.iter().enumerate() {
        buffers = buffers.lower(layer, held.array(is_ntc));
    }
    if case.outputs.last_only {
        buffers = buffers.last_only();
    }
    if let Some(lengths) = &lengths {
        buffers = buffers.lengths(lengths, 8);
    }
    let device = engine.device().ok_or("no GPU")?;
    let mut encoder = device.create_command_encoder(&Default::default());
    // Twice: the second one must not see what the first one left.
    rnn.encode(&mut encoder, &buffers)?;
    rnn.encode(&mut encoder, &buffers)?;
    engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);

    let pairs = [
        ("output", Some(&output), Some(&host.output)),
        ("output_reverse", reverse.as_ref(), host.output_reverse.as_ref()),
        ("cell_states", cells.as_ref(), host.cell_states.as_ref()),
        ("h_n", Some(&h_n), Some(&host.h_n)),
        ("c_n", c_n.as_ref(), host.c_n.as_ref()),
    ];
    let lower = lower.iter().zip(&host.lower).map(|(held, expected)| ("lower", Some(held), Some(expected)));
    for (name, held, expected) in pairs.into_iter().chain(lower) {
        let (Some(held), Some(expected)) = (held, expected) else { continue };
        let found = held.read(engine).map_err(|failed| format!("{name}: {failed:?}"))?;
        let same = match lie.dtype {
            Dtype::F32 => found.iter().zip(expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan())),
            // Input and results are rounded; a rectifier's sums err by their largest terms.
            Dtype::F16 => {
                let largest = expected.iter().fold(1.0, |largest: f32, number| largest.max(number.abs()));
                found.iter().zip(expected).all(|(a, b)| (a - b).abs() <= 4e-3 * largest)
            }
        };
        if !same {
            let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            return Err(format!("{name}: is up to {off:e} off what the host's call gives").into());
        }
    }
    Ok(())
}
