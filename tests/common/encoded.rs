//! Calls from buffers to buffers, and what then stands in them.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use crate::common::Case;
use crate::common::gradients::Given;
use crate::engines::block_on;
use libtest_mimic::Failed;
use ndarray::{Array3, ArrayD, ArrayViewD, s};
use wgpu::BufferUsages as Usage;
use wgpu_rnn::{
    BufferArray, Buffers, CallGradients, Dropout, Dtype, Engine, GradientBuffers, Layout, Output, Rnn, Save,
};

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
    let (sender, receiver) = futures_intrusive::channel::shared::oneshot_channel();
    staging.map_async(wgpu::MapMode::Read, .., move |mapped| drop(sender.send(mapped)));
    // A browser's poll returns at once.
    device.poll(wgpu::PollType::wait_indefinitely())?;
    block_on(receiver.receive()).ok_or("no answer")??;
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

    fn like(engine: &Engine, lie: Lie, array: &Array3<f32>) -> Held {
        let (a, b, c) = array.dim();
        Held::new(engine, lie, [a, b, c])
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

    /// Whether the array holds these numbers, to the bit; with f16 outside, to its rounding.
    fn check(&self, engine: &Engine, name: &str, expected: &ArrayViewD<'_, f32>) -> Result<(), Failed> {
        let found = self.read(engine).map_err(|failed| format!("{name}: {failed:?}"))?;
        let same = match self.lie.dtype {
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
        Ok(())
    }
}

/// The arrays of an encoded call.
struct HeldCall {
    size: [usize; 2],
    is_ntc: bool,
    last_only: bool,
    input: Held,
    /// By the names of their arrays.
    states: Vec<(&'static str, Held)>,
    lengths: Option<wgpu::Buffer>,
    results: Vec<(String, Held)>,
}

impl HeldCall {
    fn new(engine: &Engine, case: &Case, lie: Lie, host: &Output) -> HeldCall {
        let [a, b, _] = case.input.shape() else { unreachable!("three axes") };
        let is_ntc = case.weights.config().layout == Layout::Ntc;
        let mut states = Vec::new();
        for (name, array) in [
            ("h_0", case.state.as_ref().map(|state| &state.h)),
            ("c_0", case.state.as_ref().and_then(|state| state.c.as_ref())),
        ] {
            states.extend(array.map(|array| (name, Held::with(engine, lie, array))));
        }
        let lengths = case.lengths.as_ref().map(|lengths| {
            let held = buffer(engine, 4 * lengths.len() as u64 + 8, Usage::COPY_SRC);
            let lengths: Vec<u32> = lengths.iter().map(|&length| length as u32).collect();
            engine.queue().expect("a GPU").write_buffer(&held, 8, bytemuck::cast_slice(&lengths));
            held
        });
        let results = results(host).map(|(name, array)| (name, Held::like(engine, lie, array)));
        HeldCall {
            size: if is_ntc { [*b, *a] } else { [*a, *b] },
            is_ntc,
            last_only: case.outputs.last_only,
            input: Held::with(engine, lie, &case.input),
            states,
            lengths,
            results: results.collect(),
        }
    }

    fn buffers(&self) -> Buffers<'_> {
        let [steps, batch] = self.size;
        let mut buffers = Buffers::new(steps, batch, self.input.array(self.is_ntc));
        for (name, held) in &self.states {
            let array = held.array(false);
            buffers = if *name == "h_0" { buffers.h_0(array) } else { buffers.c_0(array) };
        }
        for (name, held) in &self.results {
            let (over_time, state) = (held.array(self.is_ntc), held.array(false));
            buffers = match name.as_str() {
                "output" => buffers.output(over_time),
                "output_reverse" => buffers.output_reverse(over_time),
                "cell_states" => buffers.cell_states(over_time),
                "h_n" => buffers.h_n(state),
                "c_n" => buffers.c_n(state),
                lower => buffers.lower(layer_of(lower), over_time),
            };
        }
        if self.last_only {
            buffers = buffers.last_only();
        }
        if let Some(lengths) = &self.lengths {
            buffers = buffers.lengths(lengths, 8);
        }
        buffers
    }

    /// Whether every result is bit for bit the host's; with f16 outside, to its rounding.
    fn check(&self, engine: &Engine, host: &Output) -> Result<(), Failed> {
        for ((name, held), (_, expected)) in self.results.iter().zip(results(host)) {
            held.check(engine, name, &expected.view().into_dyn())?;
        }
        Ok(())
    }
}

/// The arrays of an output, by name.
fn results(output: &Output) -> impl Iterator<Item = (String, &Array3<f32>)> {
    let named = [
        ("output", Some(&output.output)),
        ("output_reverse", output.output_reverse.as_ref()),
        ("cell_states", output.cell_states.as_ref()),
        ("h_n", Some(&output.h_n)),
        ("c_n", output.c_n.as_ref()),
    ];
    let named = named.into_iter().filter_map(|(name, array)| Some((name.to_owned(), array?)));
    named.chain(output.lower.iter().enumerate().map(|(layer, array)| (format!("lower {layer}"), array)))
}

fn layer_of(name: &str) -> usize {
    name.strip_prefix("lower ")
        .and_then(|layer| layer.parse().ok())
        .expect("the name of a lower layer's array")
}

/// A case, encoded; whether every array is bit for bit what the host's call has given. With f16 outside, to
/// its rounding.
pub fn equals(engine: &Engine, rnn: &Rnn, case: &Case, lie: Lie, host: &Output) -> Result<(), Failed> {
    let call = HeldCall::new(engine, case, lie, host);
    let device = engine.device().ok_or("no GPU")?;
    let mut encoder = device.create_command_encoder(&Default::default());
    // Twice: the second one must not see what the first one left.
    rnn.encode(&mut encoder, &call.buffers())?;
    rnn.encode(&mut encoder, &call.buffers())?;
    engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);
    call.check(engine, host)
}

/// A case, saved and encoded with its backward pass; whether every result and every gradient is bit for bit
/// what the host's calls have given. With f16 outside, to its rounding.
pub fn saved_equals(
    (engine, rnn): (&Engine, &Rnn),
    case: &Case,
    (lie, save): (Lie, Save),
    given: &Given,
    (host, gradients): (&Output, &CallGradients),
    dropout: Option<Dropout>,
) -> Result<(), Failed> {
    let call = HeldCall::new(engine, case, lie, host);
    let by_results = given.arrays().map(|(name, array)| (name, Held::with(engine, lie, array)));
    let by_results: Vec<(String, Held)> = by_results.collect();
    let is_ntc = call.is_ntc;
    let like = |array: &Array3<f32>| Held::like(engine, lie, array);
    let by_input = like(&gradients.input);
    let by_h_0 = like(&gradients.state.h);
    let by_c_0 = gradients.state.c.as_ref().map(like);
    let flat = Array3::from_shape_vec(
        (1, 1, gradients.weights.as_slice().len()),
        gradients.weights.as_slice().to_vec(),
    )?;
    let by_weights = like(&flat);

    let mut buffers = GradientBuffers::new()
        .by_input(by_input.array(is_ntc))
        .by_h_0(by_h_0.array(false))
        .by_weights(by_weights.array(false));
    if let Some(held) = &by_c_0 {
        buffers = buffers.by_c_0(held.array(false));
    }
    for (name, held) in &by_results {
        let (over_time, state) = (held.array(is_ntc), held.array(false));
        buffers = match name.as_str() {
            "output" => buffers.by_output(over_time),
            "output_reverse" => buffers.by_output_reverse(over_time),
            "cell_states" => buffers.by_cell_states(over_time),
            "h_n" => buffers.by_h_n(state),
            "c_n" => buffers.by_c_n(state),
            lower => buffers.by_lower(layer_of(lower), over_time),
        };
    }
    let device = engine.device().ok_or("no GPU")?;
    let mut encoder = device.create_command_encoder(&Default::default());
    let of_call = match dropout {
        Some(dropout) => call.buffers().dropout(dropout),
        None => call.buffers(),
    };
    // Two saved calls at once, one after the other, and a third one in the buffers of an earlier one.
    let mut first = rnn.encode_saved(&mut encoder, &of_call, save)?;
    let mut second = rnn.encode_saved(&mut encoder, &of_call, save)?;
    rnn.encode_backward(&mut encoder, &mut second, &buffers)?;
    rnn.encode_backward(&mut encoder, &mut first, &buffers)?;
    let mut third = rnn.encode_saved(&mut encoder, &of_call, save)?;
    rnn.encode_backward(&mut encoder, &mut third, &buffers)?;
    engine.queue().ok_or("no GPU")?.submit([encoder.finish()]);

    call.check(engine, host)?;
    by_input.check(engine, "gradient by input", &gradients.input.view().into_dyn())?;
    by_h_0.check(engine, "gradient by h_0", &gradients.state.h.view().into_dyn())?;
    if let (Some(held), Some(c)) = (&by_c_0, &gradients.state.c) {
        held.check(engine, "gradient by c_0", &c.view().into_dyn())?;
    }
    by_weights.check(engine, "gradient by weights", &flat.view().into_dyn())
}
