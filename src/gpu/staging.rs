//! The transfers between host and GPU, through buffers that are mapped in turn and made once.

use super::prepared::{Prepared, Turn};
use super::rows::{self, Ends};
use super::{Gpu, Longest, Wait};
use crate::call::{Checked, Results};
use crate::network::{Dtype, Network};
use crate::plan::{Payload, Transfer};
use crate::{Error, Output, Result, State};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{ArrayView3, s};

pub(super) type Mapped = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

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
                match transfer.what {
                    Payload::Lengths => {
                        // Lengths that are on the GPU already are not the host's to write.
                        let lengths = call.lengths.iter().flatten().filter(|_| longest.lengths.is_none());
                        for (place, &length) in (0..).step_by(4).zip(lengths) {
                            to.slice(place..place + 4).copy_from_slice(bytemuck::bytes_of(&(length as u32)));
                        }
                    }
                    Payload::Hidden { .. } | Payload::Cell { .. } => {
                        // None where it is zero, or stays on the GPU.
                        if let Some(numbers) = state.and_then(|state| state_of(network, state, transfer.what))
                        {
                            rows::write(to, numbers, transfer.dtype, None, "h_0")?;
                        }
                    }
                    Payload::Input(segment) => {
                        let first_step = segment.first as usize;
                        let end = first_step + segment.steps_within(longest.steps) as usize;
                        // In a sum over time, a zero does not undo a NaN; and no check refuses a zero.
                        let blanks = transfer.dtype != Dtype::F32 || self.plan.backward.is_some();
                        let ends = ends(call, first_step).filter(|_| blanks);
                        let steps = call.input.slice(s![first_step..end, .., ..]);
                        rows::write(to, steps, transfer.dtype, ends, "input")?;
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
                let bytes = &view[first..first + len as usize];
                let Payload::Result(piece, segment) = transfer.what else {
                    set_state(network, &mut state, transfer.what, bytes, transfer.dtype);
                    continue;
                };
                let (first_step, steps) = match segment {
                    Some(segment) => (segment.first as usize, segment.steps_within(longest.steps) as usize),
                    None => (0, 1),
                };
                // Past its end a saved call keeps the state that a sequence has reached.
                let blanks = segment.is_some() && self.plan.backward.is_some();
                let ends = ends(call, first_step).filter(|_| blanks);
                if let Some(columns) = results.piece_mut(&piece) {
                    let into = columns.slice_move(s![first_step..first_step + steps, .., ..]);
                    rows::read(bytes, transfer.dtype, into, ends);
                }
            }
            drop(view);
            buffer.unmap();
        }
        results.finish(call, state)
    }
}

/// A slot's part of a state, `[1, N, H]`; none for a payload that is no state.
pub(super) fn state_of<'a>(
    network: &Network,
    state: &'a State,
    what: Payload,
) -> Option<ArrayView3<'a, f32>> {
    let (array, slot, size) = match what {
        Payload::Hidden { slot } => (Some(&state.h), slot, network.slots[slot].state_size),
        Payload::Cell { slot } => (state.c.as_ref(), slot, network.slots[slot].cell_state_size()),
        _ => return None,
    };
    // A plan with cell states belongs to a network that has them.
    array.map(|array| array.slice(s![slot..=slot, .., ..size]))
}

/// Sets a slot's part of a state from the bytes of a plan's buffer; a payload that is no state sets nothing.
pub(super) fn set_state(network: &Network, state: &mut State, what: Payload, bytes: &[u8], dtype: Dtype) {
    let (array, slot, size) = match what {
        Payload::Hidden { slot } => (Some(&mut state.h), slot, network.slots[slot].state_size),
        Payload::Cell { slot } => (state.c.as_mut(), slot, network.slots[slot].cell_state_size()),
        _ => return,
    };
    if let Some(array) = array {
        rows::read(bytes, dtype, array.slice_mut(s![slot..=slot, .., ..size]), None);
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

/// The ends of a call's sequences, for rows from a time step on.
fn ends<'a>(call: &'a Checked<'_, f32>, first_step: usize) -> Option<Ends<'a>> {
    call.lengths.as_deref().map(|lengths| Ends { lengths, first_step })
}

/// Maps buffers, once the submitted work is done. All buffers can be mapped, unless the device is lost.
pub(super) async fn map_all<'a>(
    gpu: &Gpu,
    buffers: impl Iterator<Item = (&'a wgpu::Buffer, wgpu::MapMode)>,
    wait: Wait,
) -> Result<()> {
    // A caller's device that is lost reports so as it is asked, and panics outside of a scope.
    let mapped: Result<Vec<Mapped>> =
        gpu.scoped(|| buffers.map(|(buffer, mode)| map(buffer, mode, || {})).collect()).await;
    let mapped = mapped.map_err(|error| gpu.interrupted(&error.to_string()))?;
    poll(gpu, wait)?;
    for mapped in mapped {
        is_mapped(gpu, mapped).await?;
    }
    Ok(())
}

/// Asks for a buffer to be mapped, and calls a function once it is.
pub(super) fn map(
    buffer: &wgpu::Buffer,
    mode: wgpu::MapMode,
    then: impl FnOnce() + Send + 'static,
) -> Mapped {
    let (sender, receiver) = oneshot_channel();
    buffer.map_async(mode, .., move |result| {
        // Nobody is left to tell if the call was given up.
        let _ = sender.send(result);
        then();
    });
    receiver
}

/// Waits for the answer of a mapping, which another polls for.
pub(super) async fn is_mapped(gpu: &Gpu, mapped: Mapped) -> Result<()> {
    match mapped.receive().await {
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(gpu.interrupted(&error.to_string())),
        None => Err(gpu.interrupted("it never answered")),
    }
}

/// Has the device's answers called, once the submitted work is done.
#[cfg(not(target_arch = "wasm32"))]
pub(super) fn poll(gpu: &Gpu, wait: Wait) -> Result<()> {
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
pub(super) fn poll(_: &Gpu, _: Wait) -> Result<()> {
    Ok(())
}
