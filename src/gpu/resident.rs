//! States that stay on the GPU between calls, a row for each sequence of the batch.

use super::buffer::Buffer;
use super::{Gpu, rows, staging};
use crate::network::{Dtype, Network};
use crate::plan::{Payload, Plan, Transfer};
use crate::{Result, State, Weights};

/// The hidden and cell states of every slot, as a plan's buffers hold them.
#[derive(Debug)]
pub(crate) struct Resident {
    states: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    what: Payload,
    dtype: Dtype,
    /// Bytes of a sequence's row.
    row: u64,
    buffer: Buffer,
}

impl Resident {
    /// States for a batch: each row the learned state or zeros.
    pub async fn new(gpu: &Gpu, weights: &Weights, plan: &Plan, batch: usize) -> Result<Resident> {
        let initial = weights.initial_state(batch)?;
        let mut states = Vec::new();
        for transfer in &plan.forward.uploads {
            let Some(numbers) = staging::state_of(weights.network(), &initial, transfer.what) else {
                continue;
            };
            let mut bytes = vec![0; transfer.bytes() as usize];
            rows::write((&mut bytes[..]).into(), numbers, transfer.dtype, None, "h_0")?;
            let usage = wgpu::BufferUsages::COPY_SRC | wgpu::BufferUsages::COPY_DST;
            let buffer = gpu.filled("states that stay", &bytes, usage).await?;
            let row = transfer.len / batch as u64 * transfer.dtype.bytes();
            states.push(Held { what: transfer.what, dtype: transfer.dtype, row, buffer });
        }
        Ok(Resident { states })
    }

    /// The buffer of a plan's state; none for a transfer that is no state.
    pub fn place_of(&self, transfer: &Transfer) -> Option<&wgpu::Buffer> {
        self.states.iter().find(|held| held.what == transfer.what).map(|held| &*held.buffer)
    }

    /// Sets a sequence's state, `[L*D, 1, H]`; a state that is refused leaves the old state.
    pub async fn set(&self, gpu: &Gpu, network: &Network, row: usize, state: &State) -> Result<()> {
        let mut bytes = Vec::new();
        for held in &self.states {
            // All of them are states, of a network that has them.
            let Some(numbers) = staging::state_of(network, state, held.what) else { continue };
            let first = bytes.len();
            bytes.resize(first + held.row as usize, 0);
            rows::write((&mut bytes[first..]).into(), numbers, held.dtype, None, "h_0")?;
        }
        // A buffer that is mapped tells of a lost device, which a queue does not.
        let staging = gpu.filled("new state", &bytes, wgpu::BufferUsages::COPY_SRC).await?;
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            let mut at = 0;
            for held in &self.states {
                encoder.copy_buffer_to_buffer(&staging, at, &held.buffer, row as u64 * held.row, held.row);
                at += held.row;
            }
            gpu.queue.submit([encoder.finish()]);
        })
        .await
    }

    /// Copies a sequence's rows, one after the other, into a buffer whose bytes
    /// [`state_from`](Resident::state_from) reads.
    pub fn copy_row(&self, encoder: &mut wgpu::CommandEncoder, row: usize, into: &wgpu::Buffer) {
        let mut at = 0;
        for held in &self.states {
            encoder.copy_buffer_to_buffer(&held.buffer, row as u64 * held.row, into, at, held.row);
            at += held.row;
        }
    }

    /// The bytes that a sequence's rows have together.
    pub fn row_bytes(&self) -> u64 {
        self.states.iter().map(|held| held.row).sum()
    }

    /// A state `[L*D, 1, H]` from the bytes of its rows.
    pub fn state_from(&self, network: &Network, bytes: &[u8]) -> Result<State> {
        let mut state = network.zero_state(1)?;
        let mut rest = bytes;
        for held in &self.states {
            let (row, after) = rest.split_at(held.row as usize);
            rest = after;
            staging::set_state(network, &mut state, held.what, row, held.dtype);
        }
        Ok(state)
    }
}
