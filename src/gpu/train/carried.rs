//! The states that a batch begins from, where they are those of the batch before: truncated backpropagation
//! through time.

use super::array;
use crate::gpu::Gpu;
use crate::gpu::buffer::Buffer;
use crate::gpu::staging::read_whole;
use crate::interop::{BufferArray, Buffers};
use crate::network::Network;
use crate::plan::{padded, product};
use crate::{Result, State};

/// h and c of all slots. Rows of h have all slots side by side, as a head on final states reads them.
#[derive(Debug)]
pub(super) struct Carried {
    batch: usize,
    pub h: Buffer,
    c: Option<Buffer>,
    /// Numbers from one slot to the next in a row of h, and from one row to the next.
    strides: [u64; 2],
}

impl Carried {
    /// States of zeros.
    pub async fn new(gpu: &Gpu, network: &Network, batch: usize) -> Result<Carried> {
        let slots = network.slots.len() as u64;
        let part = padded(network.state_size());
        let strides = [part, part * slots];
        let h = array(gpu, "carried h", 4 * product(&[batch as u64, strides[1]])).await?;
        let c = match network.cell_state_size() {
            Some(size) => {
                let len = product(&[slots, batch as u64, size as u64]);
                Some(array(gpu, "carried c", 4 * len).await?)
            }
            None => None,
        };
        Ok(Carried { batch, h, c, strides })
    }

    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The arrays to begin from and to end with.
    pub fn add<'a>(&'a self, buffers: Buffers<'a>) -> Buffers<'a> {
        let [slot, row] = self.strides;
        let h = BufferArray::new(&self.h).strides(slot, row);
        let buffers = buffers.h_0(h.clone()).h_n(h);
        match &self.c {
            Some(c) => buffers.c_0(BufferArray::new(c)).c_n(BufferArray::new(c)),
            None => buffers,
        }
    }

    pub async fn read(&self, gpu: &Gpu, network: &Network) -> Result<State> {
        let mut state = network.zero_state(self.batch)?;
        let h = download(gpu, &self.h).await?;
        let [part, row] = self.strides.map(|stride| stride as usize);
        state.h.indexed_iter_mut().for_each(|((slot, n, unit), to)| *to = h[n * row + slot * part + unit]);
        if let (Some(c), Some(to)) = (&self.c, &mut state.c) {
            let c = download(gpu, c).await?;
            to.iter_mut().zip(c).for_each(|(to, from)| *to = from);
        }
        Ok(state)
    }

    pub fn write(&self, gpu: &Gpu, network: &Network, state: &State) {
        let [part, row] = self.strides.map(|stride| stride as usize);
        let mut h = vec![0.0_f32; self.batch * row];
        for ((slot, n, unit), &from) in state.h.indexed_iter() {
            h[n * row + slot * part + unit] = from;
        }
        gpu.queue.write_buffer(&self.h, 0, bytemuck::cast_slice(&h));
        if let (Some(buffer), Some(c), Some(_)) = (&self.c, &state.c, network.cell_state_size()) {
            let c: Vec<f32> = c.iter().copied().collect();
            gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&c));
        }
    }
}

/// The numbers of a buffer.
pub(super) async fn download(gpu: &Gpu, from: &wgpu::Buffer) -> Result<Vec<f32>> {
    let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
    let staging = gpu.buffer("download", from.size(), usage).await?;
    gpu.scoped(|| {
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        encoder.copy_buffer_to_buffer(from, 0, &staging, 0, from.size());
        gpu.queue.submit([encoder.finish()]);
    })
    .await?;
    Ok(bytemuck::pod_collect_to_vec(&read_whole(gpu, &staging).await?))
}
