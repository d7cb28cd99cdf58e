//! What crosses between host and GPU: through buffers that are mapped in turn and made once.

use super::{Gpu, Longest, Wait, pack, prepared::Prepared};
use crate::call::Checked;
use crate::kernel::VECTOR;
use crate::plan::{BufferId, Payload, Transfer};
use crate::{Config, Dtype, Merge, Output, Result, State, memory};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut3, Axis, concatenate, s};

type Mapped = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

impl Prepared {
    /// Fills the upload buffers, which are mapped.
    pub fn write(
        &self,
        gpu: &Gpu,
        call: &Checked<'_, f32>,
        state: Option<&State>,
        longest: &Longest<'_>,
        config: &Config,
    ) -> Result<()> {
        for &staging in &self.uploads {
            let mut view = gpu.mapped(self.buffer(staging).get_mapped_range_mut(..))?;
            for transfer in self.plan.uploads.iter().filter(|transfer| transfer.staging == staging) {
                let first = transfer.staging_offset as usize;
                let bytes = transfer.bytes_within(longest.steps) as usize;
                let mut to = view.slice(first..first + bytes);
                let mut put = |numbers: &[f32]| match transfer.dtype {
                    Dtype::F32 => to.copy_from_slice(bytemuck::cast_slice(numbers)),
                    dtype => {
                        let mut stored = vec![0; bytes];
                        pack::store(numbers, dtype, &mut stored);
                        to.copy_from_slice(&stored);
                    }
                };
                match transfer.what {
                    Payload::Lengths => {
                        let lengths = call.lengths.iter().flatten().map(|&length| length as u32);
                        let lengths: Vec<u32> = lengths.collect();
                        // Those that are on the GPU already are not the host's to write.
                        if longest.lengths.is_none() {
                            to.copy_from_slice(bytemuck::cast_slice(&lengths));
                        }
                    }
                    Payload::Hidden { .. } | Payload::Cell { .. } => {
                        // None where it stays on the GPU.
                        if let Some(numbers) = state.and_then(|state| state_of(config, state, transfer.what))
                        {
                            put(&numbers);
                        }
                    }
                    Payload::Input(segment) => {
                        let first = segment.first as usize;
                        let end = first + segment.steps_within(longest.steps) as usize;
                        put(&padded(call.input.slice(s![first..end, .., ..])));
                    }
                    // A result, which is never uploaded.
                    Payload::Output(..) | Payload::CellStates(..) => {}
                }
            }
        }
        Ok(())
    }

    /// Waits for the submitted work, after which all buffers are mapped: for the next input, and for this result.
    pub async fn wait(&self, gpu: &Gpu, wait: Wait) -> Result<()> {
        let map_all = |ids: &[BufferId], mode| -> Vec<Mapped> {
            ids.iter().map(|&id| map(self.buffer(id), mode)).collect()
        };
        let downloads = map_all(&self.downloads, wgpu::MapMode::Read);
        let uploads = map_all(&self.uploads, wgpu::MapMode::Write);
        poll(gpu, wait)?;
        for mapped in downloads.into_iter().chain(uploads) {
            match mapped.receive().await {
                Some(Ok(())) => {}
                Some(Err(error)) => return Err(gpu.interrupted(&error.to_string())),
                None => return Err(gpu.interrupted("it never answered")),
            }
        }
        Ok(())
    }

    /// The results, from the mapped download buffers.
    pub fn read(&self, gpu: &Gpu, config: &Config, longest: &Longest<'_>) -> Result<Output> {
        let mut results = Results::new(config, self.shape.steps, self.shape.batch)?;
        for &staging in &self.downloads {
            let buffer = self.buffer(staging);
            let view = gpu.mapped(buffer.get_mapped_range(..))?;
            let stays =
                |transfer: &&Transfer| longest.resident.is_some_and(|r| r.place_of(transfer).is_some());
            let transfers = self.plan.downloads.iter().filter(|transfer| transfer.staging == staging);
            for transfer in transfers.filter(|transfer| !stays(transfer)) {
                let first = transfer.staging_offset as usize;
                let len = transfer.len_within(longest.steps) * transfer.dtype.bytes();
                let numbers = pack::load(&view[first..first + len as usize], transfer.dtype);
                results.take(transfer, &numbers, longest.steps);
            }
            drop(view);
            buffer.unmap();
        }
        Ok(results.finish(gpu))
    }
}

/// The rows of a slot's state, as its buffer holds them; none for other contents.
pub(super) fn state_of(config: &Config, state: &State, what: Payload) -> Option<Vec<f32>> {
    match what {
        Payload::Hidden { slot } => {
            let h = state.h.slice(s![slot, .., ..layer_of(config, slot).state_size]);
            Some(padded(h.insert_axis(Axis(0))))
        }
        Payload::Cell { slot } => {
            // A plan with cell states belongs to a network that has them.
            let c = state.c.as_ref().expect("the network has cell states");
            let c = c.slice(s![slot, .., ..layer_of(config, slot).cell_state_size()]);
            Some(c.iter().copied().collect())
        }
        _ => None,
    }
}

/// The numbers of a sequence's state in a slot.
pub(super) fn row_of(config: &Config, what: Payload) -> usize {
    match what {
        Payload::Hidden { slot } => layer_of(config, slot).state_size,
        Payload::Cell { slot } => layer_of(config, slot).cell_state_size(),
        _ => 0,
    }
}

/// The bytes of a buffer that can be mapped, once what was submitted is done.
pub(super) async fn read_whole(gpu: &Gpu, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
    let mapped = map(buffer, wgpu::MapMode::Read);
    poll(gpu, Wait::Elsewhere)?;
    match mapped.receive().await {
        Some(Ok(())) => {}
        Some(Err(error)) => return Err(gpu.interrupted(&error.to_string())),
        None => return Err(gpu.interrupted("it never answered")),
    }
    let view = gpu.mapped(buffer.get_mapped_range(..))?;
    Ok(view.to_vec())
}

fn layer_of(config: &Config, slot: usize) -> crate::config::LayerConfig {
    config.layer(slot / config.directions.count())
}

/// The arrays of an answer, zero where nothing was computed.
struct Results<'a> {
    config: &'a Config,
    /// By layer, where it was asked for: `[T, N, C]`.
    outputs: Vec<Option<Array3<f32>>>,
    cell_states: Option<Array3<f32>>,
    state: State,
}

impl Results<'_> {
    fn new(config: &Config, steps: usize, batch: usize) -> Result<Results<'_>> {
        let zeros = |width: usize| {
            let shape = [steps, batch, width];
            memory::check::<f32>(|| format!("a result of {shape:?}"), &shape)?;
            Ok(Array3::zeros(shape))
        };
        let last = config.num_layers - 1;
        let mut outputs = Vec::new();
        for layer in 0..config.num_layers {
            let asked = if layer == last { !config.outputs.last_only } else { config.outputs.every_layer };
            let width = config.merged_directions() * config.layer(layer).state_size;
            outputs.push(if asked { Some(zeros(width)?) } else { None });
        }
        let cells = config.directions.count() * config.layer(last).cell_state_size();
        let cell_states = if config.outputs.cell_states { Some(zeros(cells)?) } else { None };
        Ok(Results { config, outputs, cell_states, state: config.zero_state(batch)? })
    }

    /// Puts what was copied into its place.
    fn take(&mut self, transfer: &Transfer, numbers: &[f32], longest: u64) {
        let directions = self.config.directions.count();
        match transfer.what {
            Payload::Output(slot, segment) => {
                let width = layer_of(self.config, slot).state_size;
                let end = segment.first + segment.steps_within(longest);
                if let Some(output) = &mut self.outputs[slot / directions] {
                    let first = slot % directions * width;
                    let into =
                        output.slice_mut(s![segment.first as usize..end as usize, .., first..first + width]);
                    assign(into, numbers, width.next_multiple_of(VECTOR));
                }
            }
            Payload::CellStates(slot, segment) => {
                let width = layer_of(self.config, slot).hidden_size;
                let end = segment.first + segment.steps_within(longest);
                if let Some(cells) = &mut self.cell_states {
                    let first = slot % directions * width;
                    let into =
                        cells.slice_mut(s![segment.first as usize..end as usize, .., first..first + width]);
                    assign(into, numbers, width);
                }
            }
            Payload::Hidden { slot } => {
                let width = layer_of(self.config, slot).state_size;
                let into = self.state.h.slice_mut(s![slot..=slot, .., ..width]);
                assign(into, numbers, width.next_multiple_of(VECTOR));
            }
            Payload::Cell { slot } => {
                let width = layer_of(self.config, slot).cell_state_size();
                if let Some(c) = &mut self.state.c {
                    assign(c.slice_mut(s![slot..=slot, .., ..width]), numbers, width);
                }
            }
            // What goes in never comes out.
            Payload::Lengths | Payload::Input(_) => {}
        }
    }

    fn finish(mut self, gpu: &Gpu) -> Output {
        let config = self.config;
        // There is one for each layer, and a layer at least.
        let top = self.outputs.pop().expect("there is a layer");
        let mut output = top.unwrap_or_else(|| last_output(config, &self.state.h));
        let mut output_reverse = None;
        if config.merge == Merge::Apart {
            let half = output.dim().2 / 2;
            output_reverse = Some(output.slice(s![.., .., half..]).to_owned());
            output = output.slice(s![.., .., ..half]).to_owned();
        }
        let restore = |array| config.layout.restore(array);
        Output {
            output: restore(output),
            output_reverse: output_reverse.map(restore),
            cell_states: self.cell_states.map(restore),
            lower: self.outputs.into_iter().flatten().map(restore).collect(),
            h_n: self.state.h,
            c_n: self.state.c,
            engine: gpu.name.clone(),
        }
    }
}

/// What each direction of the last layer ends with, merged: `[1, N, C]`.
fn last_output(config: &Config, h_n: &Array3<f32>) -> Array3<f32> {
    let first = config.slots() - config.directions.count();
    let size = config.layer(config.num_layers - 1).state_size;
    let states: Vec<_> = (first..config.slots()).map(|slot| h_n.slice(s![slot..=slot, .., ..size])).collect();
    match config.merge {
        // All of them have one shape.
        Merge::Concatenate | Merge::Apart => {
            concatenate(Axis(2), &states).expect("directions have one shape")
        }
        Merge::Sum => &states[0] + &states[1],
        Merge::Average => (&states[0] + &states[1]) * 0.5,
        Merge::Multiply => &states[0] * &states[1],
    }
}

/// From rows of `row` numbers, of which the array takes the first ones.
fn assign(mut into: ArrayViewMut3<'_, f32>, numbers: &[f32], row: usize) {
    let (a, b, width) = into.dim();
    // The plan has as many numbers as the shape.
    let from = ArrayView2::from_shape((a * b, row), numbers).expect("as many numbers as the shape has");
    for (index, mut rows) in into.outer_iter_mut().enumerate() {
        rows.assign(&from.slice(s![index * b..(index + 1) * b, ..width]));
    }
}

/// The numbers of an array with its last axis padded with zeros to whole vectors.
fn padded(array: ArrayView3<'_, f32>) -> Vec<f32> {
    let (a, b, width) = array.dim();
    let mut padded = Array3::zeros((a, b, width.next_multiple_of(VECTOR)));
    padded.slice_mut(s![.., .., ..width]).assign(&array);
    padded.into_raw_vec_and_offset().0
}

fn map(buffer: &wgpu::Buffer, mode: wgpu::MapMode) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    buffer.map_async(mode, .., move |result| {
        // Nobody is left to tell if the call was given up.
        let _ = sender.send(result);
    });
    receiver
}

#[cfg(not(target_arch = "wasm32"))]
fn poll(gpu: &Gpu, wait: Wait) -> Result<()> {
    let device = gpu.device.clone();
    let until_done = move || device.poll(wgpu::PollType::wait_indefinitely());
    match wait {
        Wait::Here => {
            until_done().map_err(|error| gpu.interrupted(&error.to_string()))?;
        }
        Wait::Elsewhere => {
            // If the poll fails, the mapping does too, and says so.
            std::thread::spawn(until_done);
        }
    }
    Ok(())
}

/// The browser polls by itself.
#[cfg(target_arch = "wasm32")]
fn poll(_: &Gpu, _: Wait) -> Result<()> {
    Ok(())
}
