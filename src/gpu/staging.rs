//! The transfers between host and GPU, through buffers that are mapped in turn and made once.

use super::prepared::{Prepared, Turn};
use super::{Gpu, Longest, Wait, numbers};
use crate::call::{Checked, Results};
use crate::kernel::VECTOR;
use crate::network::{Dtype, Network, SlotSpec};
use crate::plan::{Payload, Transfer};
use crate::{Error, Output, Result, State};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{Array3, ArrayView2, ArrayView3, ArrayViewMut3, Axis, s};
use std::ops::Range;

type Mapped = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

impl Prepared {
    /// Writes a call's input, lengths and state into the upload buffers.
    pub fn write(
        &self,
        gpu: &Gpu,
        call: &Checked<'_, f32>,
        state: Option<&State>,
        longest: &Longest<'_>,
        network: &Network,
    ) -> Result<()> {
        let (way, prepared) = self.way(Turn::Forward);
        for &staging in &prepared.uploads {
            let mut view = gpu.mapped(self.buffer(staging).get_mapped_range_mut(..))?;
            for transfer in way.uploads.iter().filter(|transfer| transfer.staging == staging) {
                let first = transfer.staging_offset as usize;
                let bytes = transfer.bytes_within(longest.steps) as usize;
                let mut to = view.slice(first..first + bytes);
                let mut put = |numbers: &[f32], name: &str| match transfer.dtype {
                    Dtype::F32 => {
                        to.copy_from_slice(bytemuck::cast_slice(numbers));
                        Ok(())
                    }
                    dtype => {
                        let mut stored = vec![0; bytes];
                        numbers::store(numbers, dtype, &mut stored, name)?;
                        to.copy_from_slice(&stored);
                        Ok(())
                    }
                };
                match transfer.what {
                    Payload::Lengths => {
                        let lengths = call.lengths.iter().flatten().map(|&length| length as u32);
                        let lengths: Vec<u32> = lengths.collect();
                        // Lengths that are on the GPU already are not the host's to write.
                        if longest.lengths.is_none() {
                            to.copy_from_slice(bytemuck::cast_slice(&lengths));
                        }
                    }
                    Payload::Hidden { .. } | Payload::Cell { .. } => {
                        // None where it stays on the GPU.
                        if let Some(numbers) = state.and_then(|state| state_of(network, state, transfer.what))
                        {
                            put(&numbers, "h_0")?;
                        }
                    }
                    Payload::Input(segment) => {
                        let first = segment.first as usize;
                        let end = first + segment.steps_within(longest.steps) as usize;
                        let mut numbers = padded(call.input.slice(s![first..end, .., ..]));
                        // In a sum over time, a zero does not undo a NaN.
                        if transfer.dtype != Dtype::F32 || self.plan.backward.is_some() {
                            blank_past_ends(&mut numbers, call, first..end);
                        }
                        put(&numbers, "input")?;
                    }
                    Payload::Dropout => {
                        let words = call.dropout.map(|dropout| dropout.words()).unwrap_or_default();
                        to.copy_from_slice(bytemuck::cast_slice(&words));
                    }
                    // A result, or an array of the backward pass.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Waits for the submitted work, after which all buffers are mapped: for the next input, and for this
    /// result.
    pub async fn wait(&self, gpu: &Gpu, turn: Turn, wait: Wait) -> Result<()> {
        let (_, prepared) = self.way(turn);
        let downloads = prepared.downloads.iter().map(|&id| (self.buffer(id), wgpu::MapMode::Read));
        let uploads = prepared.uploads.iter().map(|&id| (self.buffer(id), wgpu::MapMode::Write));
        map_all(gpu, downloads.chain(uploads), wait).await
    }

    /// Reads the results of a call from the download buffers.
    pub fn read(
        &self,
        gpu: &Gpu,
        call: &Checked<'_, f32>,
        network: &Network,
        longest: &Longest<'_>,
    ) -> Result<Output> {
        let mut results = Results::new(network, call, &gpu.name)?;
        let mut state = network.zero_state(call.batch())?;
        let (way, prepared) = self.way(Turn::Forward);
        for &staging in &prepared.downloads {
            let buffer = self.buffer(staging);
            let view = gpu.mapped(buffer.get_mapped_range(..))?;
            let stays =
                |transfer: &&Transfer| longest.resident.is_some_and(|r| r.place_of(transfer).is_some());
            let transfers = way.downloads.iter().filter(|transfer| transfer.staging == staging);
            for transfer in transfers.filter(|transfer| !stays(transfer)) {
                let first = transfer.staging_offset as usize;
                let len = transfer.len_within(longest.steps) * transfer.dtype.bytes();
                let mut numbers = numbers::load(&view[first..first + len as usize], transfer.dtype);
                if let Payload::Result(piece, segment) = transfer.what {
                    let steps = match segment {
                        Some(segment) => {
                            let first = segment.first as usize;
                            let steps = first..first + segment.steps_within(longest.steps) as usize;
                            // There a saved call keeps the state that a sequence has reached.
                            if self.plan.backward.is_some() {
                                blank_past_ends(&mut numbers, call, steps.clone());
                            }
                            steps
                        }
                        None => 0..1,
                    };
                    if let Some(columns) = results.piece_mut(&piece) {
                        assign(columns.slice_move(s![steps, .., ..]), &numbers);
                    }
                } else {
                    set_state(network, &mut state, transfer.what, &numbers);
                }
            }
            drop(view);
            buffer.unmap();
        }
        results.finish(call, state)
    }
}

/// A slot's part of a state as the plan's buffers hold it; none for a payload that is no state.
pub(super) fn state_of(network: &Network, state: &State, what: Payload) -> Option<Vec<f32>> {
    match what {
        Payload::Hidden { slot } => {
            let h = state.h.slice(s![slot, .., ..network.slots[slot].state_size]);
            Some(padded(h.insert_axis(Axis(0))))
        }
        Payload::Cell { slot } => {
            // A plan with cell states belongs to a network that has them.
            let c = state.c.as_ref().expect("the network has cell states");
            let c = c.slice(s![slot, .., ..network.slots[slot].cell_state_size()]);
            Some(c.iter().copied().collect())
        }
        _ => None,
    }
}

/// Sets a slot's part of a state from the numbers of a plan's buffer; a payload that is no state sets
/// nothing.
pub(super) fn set_state(network: &Network, state: &mut State, what: Payload, numbers: &[f32]) {
    let (array, slot, size): (_, _, fn(&SlotSpec) -> usize) = match what {
        Payload::Hidden { slot } => (Some(&mut state.h), slot, |spec| spec.state_size),
        Payload::Cell { slot } => (state.c.as_mut(), slot, SlotSpec::cell_state_size),
        _ => return,
    };
    if let Some(array) = array {
        let size = size(&network.slots[slot]);
        assign(array.slice_mut(s![slot..=slot, .., ..size]), numbers);
    }
}

/// Checks lengths that are on the GPU already.
pub(super) fn check_lengths(buffer: &wgpu::Buffer, batch: usize) -> Result<()> {
    let refuse =
        |expected: String, found: String| Err(Error::Buffer { array: "lengths_on_gpu", expected, found });
    let needed = 4 * batch as u64;
    if buffer.size() < needed {
        return refuse(format!("a buffer of at least {needed} bytes"), buffer.size().to_string());
    }
    if !buffer.usage().contains(wgpu::BufferUsages::COPY_SRC) {
        return refuse("a buffer with usage COPY_SRC".into(), format!("{:?}", buffer.usage()));
    }
    Ok(())
}

/// The bytes of a buffer that can be mapped, once the submitted work is done.
pub(super) async fn read_whole(gpu: &Gpu, buffer: &wgpu::Buffer) -> Result<Vec<u8>> {
    map_all(gpu, [(buffer, wgpu::MapMode::Read)].into_iter(), Wait::Elsewhere).await?;
    let view = gpu.mapped(buffer.get_mapped_range(..))?;
    Ok(view.to_vec())
}

/// Rows of numbers, padded to whatever length they have, into an array.
pub(super) fn assign(mut into: ArrayViewMut3<'_, f32>, numbers: &[f32]) {
    let (a, b, width) = into.dim();
    if a * b == 0 {
        return;
    }
    // The plan has as many numbers as the shape, and padding.
    let rows = numbers.len() / (a * b);
    let from = ArrayView2::from_shape((a * b, rows), numbers).expect("as many numbers as the shape has");
    for (index, mut step) in into.outer_iter_mut().enumerate() {
        step.assign(&from.slice(s![index * b..(index + 1) * b, ..width]));
    }
}

/// The numbers of an array with its last axis padded with zeros to whole vectors.
fn padded(array: ArrayView3<'_, f32>) -> Vec<f32> {
    let (a, b, width) = array.dim();
    let mut padded = Array3::zeros((a, b, width.next_multiple_of(VECTOR)));
    padded.slice_mut(s![.., .., ..width]).assign(&array);
    padded.into_raw_vec_and_offset().0
}

/// Zeroes the numbers past the ends of sequences: no result depends on them, and no check refuses them.
fn blank_past_ends(numbers: &mut [f32], call: &Checked<'_, f32>, steps: Range<usize>) {
    let Some(lengths) = &call.lengths else { return };
    blank(numbers, lengths, steps);
}

/// Zeroes the numbers of steps past the ends of sequences of these lengths.
pub(super) fn blank(numbers: &mut [f32], lengths: &[usize], steps: Range<usize>) {
    let batch = lengths.len();
    let width = numbers.len() / (steps.len() * batch).max(1);
    for (index, line) in numbers.chunks_exact_mut(width.max(1)).enumerate() {
        if steps.start + index / batch >= lengths[index % batch] {
            line.fill(0.0);
        }
    }
}

/// Maps buffers, once the submitted work is done. All buffers can be mapped, unless the device is lost.
async fn map_all<'a>(
    gpu: &Gpu,
    buffers: impl Iterator<Item = (&'a wgpu::Buffer, wgpu::MapMode)>,
    wait: Wait,
) -> Result<()> {
    let map = |(buffer, mode): (&wgpu::Buffer, wgpu::MapMode)| {
        let (sender, receiver) = oneshot_channel();
        buffer.map_async(mode, .., move |result| {
            // Nobody is left to tell if the call was given up.
            let _ = sender.send(result);
        });
        receiver
    };
    // A caller's device that is lost reports so as it is asked, and panics outside of a scope.
    let mapped: Result<Vec<Mapped>> = gpu.scoped(|| buffers.map(map).collect()).await;
    let mapped = mapped.map_err(|error| gpu.interrupted(&error.to_string()))?;
    poll(gpu, wait)?;
    for mapped in mapped {
        match mapped.receive().await {
            Some(Ok(())) => {}
            Some(Err(error)) => return Err(gpu.interrupted(&error.to_string())),
            None => return Err(gpu.interrupted("it never answered")),
        }
    }
    Ok(())
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
