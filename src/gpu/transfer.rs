//! What crosses between host and GPU: through two buffers that are mapped in turn and made once.

use super::{Gpu, Wait, run::Run};
use crate::shader::VECTOR;
use crate::{Config, Output, Result, State};
use futures_intrusive::channel::shared::{OneshotReceiver, oneshot_channel};
use ndarray::{Array3, ArrayView3, CowArray, Ix3, s};

type Mapped = OneshotReceiver<Result<(), wgpu::BufferAsyncError>>;

impl Run {
    /// Fills the upload buffer, which is mapped: input `[T, N, I]`, then h and c.
    pub fn write(&self, gpu: &Gpu, input: ArrayView3<'_, f32>, state: &State) -> Result<()> {
        let mut view = gpu.mapped(self.upload.get_mapped_range_mut(..))?;
        let c = state.c.as_ref().map(|c| c.as_standard_layout());
        let parts = [Some(padded(input)), Some(padded(state.h.view())), c];
        let mut start = 0;
        for part in parts.into_iter().flatten() {
            // Both ways of making a part leave it contiguous.
            let bytes = bytemuck::cast_slice(part.as_slice().expect("contiguous"));
            view.slice(start..start + bytes.len()).copy_from_slice(bytes);
            start += bytes.len();
        }
        Ok(())
    }

    /// Waits for the submitted work, after which both buffers are mapped: for the next input, and for this result.
    pub async fn wait(&self, gpu: &Gpu, wait: Wait) -> Result<()> {
        let mapped = [map(&self.download, wgpu::MapMode::Read), map(&self.upload, wgpu::MapMode::Write)];
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

    /// The results, from the mapped download buffer.
    pub fn read(&self, gpu: &Gpu, config: &Config) -> Result<Output> {
        let view = gpu.mapped(self.download.get_mapped_range(..))?;
        let numbers: Vec<f32> = bytemuck::pod_collect_to_vec(&view);
        drop(view);
        self.download.unmap();

        let (steps, batch) = self.shape;
        let (hidden, directions) = (config.hidden_size, config.directions.count());
        let padded = hidden.next_multiple_of(VECTOR);
        let mut rest = numbers.as_slice();
        let mut take = |shape: (usize, usize, usize)| {
            let (taken, left) = rest.split_at(shape.0 * shape.1 * shape.2);
            rest = left;
            // The plan sizes the download buffer by these very shapes.
            ArrayView3::from_shape(shape, taken).expect("as many numbers as the shape has")
        };
        let mut output = Array3::zeros((steps, batch, directions * hidden));
        for direction in 0..directions {
            let columns = direction * hidden..(direction + 1) * hidden;
            let taken = take((steps, batch, padded));
            output.slice_mut(s![.., .., columns]).assign(&taken.slice(s![.., .., ..hidden]));
        }
        let h_n = take((config.slots(), batch, padded)).slice(s![.., .., ..hidden]).to_owned();
        let c_n = config.cell.has_cell_state();
        let c_n = c_n.then(|| take((config.slots(), batch, hidden)).to_owned());
        Ok(Output { output: config.layout.restore(output), h_n, c_n, engine: gpu.name.clone() })
    }
}

/// The array with its last axis padded with zeros to whole vectors.
fn padded(array: ArrayView3<'_, f32>) -> CowArray<'_, f32, Ix3> {
    let (a, b, width) = array.dim();
    if width.is_multiple_of(VECTOR) && array.is_standard_layout() {
        return array.into();
    }
    let mut padded = Array3::zeros((a, b, width.next_multiple_of(VECTOR)));
    padded.slice_mut(s![.., .., ..width]).assign(&array);
    padded.into()
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
