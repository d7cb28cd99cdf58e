//! Saved calls and their backward passes.

use super::prepared::{Prepared, Turn};
use super::rows::{self, Ends};
use super::staging::{check_lengths, read_whole, set_state, state_of};
use super::{GpuRnn, Longest, MAX_PREPARED, Setup, Wait, put, take};
use crate::call::{Checked, OutputGradients, ResultArray, Source, pieces};
use crate::kernel::VECTOR;
use crate::network::{Dtype, Network, Outputs, Save};
use crate::plan::{Payload, Segment, Workload};
use crate::weights::{CallGradients, Gradients, Params, TensorKind};
use crate::{Output, Result, State, Wanted, Weights, memory};
use ndarray::{Array3, ArrayView3, s};

/// A call that was saved: the objects that hold its numbers.
#[derive(Debug)]
pub(crate) struct GpuSaved {
    used: (Workload, Prepared),
    lengths: Option<Vec<usize>>,
    starts_from_learned: bool,
}

impl GpuSaved {
    pub fn outputs(&self) -> Outputs {
        self.used.0.outputs
    }

    /// T and N.
    pub fn size(&self) -> [usize; 2] {
        [self.used.0.steps, self.used.0.batch]
    }

    /// Asks for the host's memory of the gradients.
    pub fn check_backward(&self, network: &Network) -> Result<()> {
        let [steps, batch] = self.size();
        // Read from a staging buffer, and once more in its own shape.
        let shape = [steps, batch, 2 * network.input_size.next_multiple_of(VECTOR)];
        memory::check::<f32>(|| "the gradient by the input".into(), &shape)
    }
}

impl GpuRnn {
    /// Computes a call, and keeps the numbers that its backward pass needs.
    pub async fn forward_saved(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        save: Save,
        setup: &Setup,
        wait: Wait,
    ) -> Result<(Output, GpuSaved)> {
        let with_lengths;
        let call = match call.lengths_on_gpu {
            // The host zeroes the numbers past the ends of sequences.
            Some(lengths) => {
                let known = self.lengths_of(lengths, call.steps(), call.batch()).await?;
                with_lengths = Checked { lengths: Some(known), lengths_on_gpu: None, ..call.clone() };
                &with_lengths
            }
            None => call,
        };
        let (output, used) = self.compute(weights, call, setup, None, Some(save), wait).await?;
        let (lengths, starts_from_learned) = (call.lengths.clone(), call.state.is_none());
        Ok((output, GpuSaved { used, lengths, starts_from_learned }))
    }

    /// The lengths that a caller's buffer holds; a sequence ends after T steps at the latest.
    async fn lengths_of(&self, buffer: &wgpu::Buffer, steps: usize, batch: usize) -> Result<Vec<usize>> {
        check_lengths(buffer, batch)?;
        let bytes = 4 * batch as u64;
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = match take(&self.lengths, |known| known.size() == bytes) {
            Some(known) => known,
            None => self.gpu.buffer("lengths", bytes, usage).await?,
        };
        self.gpu
            .scoped(|| {
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                encoder.copy_buffer_to_buffer(buffer, 0, &staging, 0, bytes);
                self.gpu.queue.submit([encoder.finish()]);
            })
            .await?;
        let lengths: Vec<u32> = bytemuck::pod_collect_to_vec(&read_whole(&self.gpu, &staging).await?);
        staging.unmap();
        put(&self.lengths, staging, MAX_PREPARED);
        Ok(lengths.into_iter().map(|length| steps.min(length as usize)).collect())
    }

    /// The gradients of a loss by everything that a saved call is made of.
    pub async fn backward(
        &self,
        weights: &Weights,
        saved: GpuSaved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
        wait: Wait,
    ) -> Result<CallGradients> {
        let network = weights.network();
        let GpuSaved { used: (workload, prepared), lengths, starts_from_learned } = saved;
        let by_final = network.final_gradients(given, workload.batch)?;
        let steps = workload.steps as u64;
        let longest = Longest { wanted: Some(wanted), ..Longest::of(steps) };
        prepared.write_gradients(&self.gpu, network, given, &by_final, lengths.as_deref())?;
        prepared.submit(&self.gpu, Turn::Backward, &longest, None).await?;
        prepared.wait(&self.gpu, Turn::Backward, wait).await?;
        let mut gradients = prepared.read_gradients(&self.gpu, network, &workload, wanted)?;
        put(&self.prepared, (workload, prepared), MAX_PREPARED);
        gradients.weights.clear_layers(|layer| !wanted.has_weights(layer));
        if !starts_from_learned {
            gradients.weights.clear(&[TensorKind::InitialH, TensorKind::InitialC]);
        }
        Ok(gradients)
    }
}

impl Prepared {
    /// Writes the gradients by the results of a call into the upload buffers.
    fn write_gradients(
        &self,
        gpu: &super::Gpu,
        network: &Network,
        given: &OutputGradients<'_>,
        by_final: &State,
        lengths: Option<&[usize]>,
    ) -> Result<()> {
        let (way, prepared) = self.way(Turn::Backward);
        for &staging in &prepared.uploads {
            let mut view = gpu.mapped(self.buffer(staging).get_mapped_range_mut(..))?;
            for transfer in way.uploads.iter().filter(|transfer| transfer.staging == staging) {
                let (first, len) = (transfer.staging_offset as usize, transfer.len as usize);
                let mut to = view.slice(first..first + 4 * len);
                let ends = |Segment { first, .. }: Segment| {
                    lengths.map(|lengths| Ends { lengths, first_step: first as usize })
                };
                match transfer.what {
                    Payload::Hidden { .. } | Payload::Cell { .. } => {
                        match state_of(network, by_final, transfer.what) {
                            Some(state) => rows::write(to, state, Dtype::F32, None, "")?,
                            None => to.fill(0),
                        }
                    }
                    Payload::OutputGradient(layer, segment) => {
                        to.fill(0);
                        let mut to = Columns { to, segment, ends: ends(segment) };
                        output_gradient(network, given, layer, &mut to)?;
                    }
                    Payload::CellGradient { slot, count, segment } => {
                        to.fill(0);
                        let mut to = Columns { to, segment, ends: ends(segment) };
                        cell_gradient(network, given, (slot, count), &mut to)?;
                    }
                    Payload::FinalGradient(piece) => {
                        to.fill(0);
                        if let Some(by) = given.of(piece.array) {
                            let columns = piece.first_column..piece.first_column + piece.width;
                            let by = network.layout.swap(by);
                            let mut to = Columns { to, segment: LAST, ends: None };
                            to.write(0, by.slice(s![.., .., columns]))?;
                        }
                    }
                    // Zeros are cleared on the device.
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Reads the gradients from the download buffers.
    fn read_gradients(
        &self,
        gpu: &super::Gpu,
        network: &Network,
        workload: &Workload,
        wanted: &Wanted,
    ) -> Result<CallGradients> {
        let (way, prepared) = self.way(Turn::Backward);
        let shape = (workload.steps, workload.batch, network.input_size);
        let mut input = Array3::zeros(if wanted.has_input() { shape } else { (0, 0, 0) });
        let mut state = network.zero_state(workload.batch)?;
        let mut params = Params::zeros(network)?;
        for &staging in &prepared.downloads {
            let buffer = self.buffer(staging);
            let view = gpu.mapped(buffer.get_mapped_range(..))?;
            for transfer in way.downloads.iter().filter(|transfer| transfer.staging == staging) {
                let first = transfer.staging_offset as usize;
                let bytes = &view[first..first + transfer.bytes() as usize];
                match transfer.what {
                    Payload::InputGradient(_) if !wanted.has_input() => {}
                    Payload::InputGradient(Segment { first, steps }) => {
                        let steps = first as usize..(first + steps) as usize;
                        rows::read(bytes, transfer.dtype, input.slice_mut(s![steps, .., ..]), None);
                    }
                    Payload::WeightGradients { first } => {
                        let into = &mut params.numbers[first..first + transfer.len as usize];
                        bytemuck::cast_slice_mut(into).copy_from_slice(bytes);
                    }
                    what => set_state(network, &mut state, what, bytes, transfer.dtype),
                }
            }
            drop(view);
            buffer.unmap();
        }
        Ok(CallGradients { input: network.layout.swap(input), state, weights: Gradients::new(params) })
    }
}

/// The one step of an output that is the last one alone.
const LAST: Segment = Segment { first: 0, steps: 1 };

/// Rows of an upload buffer, for some steps of a gradient.
struct Columns<'a> {
    to: wgpu::WriteOnly<'a, [u8]>,
    segment: Segment,
    ends: Option<Ends<'a>>,
}

impl Columns<'_> {
    /// Writes the steps of an array, from a column on.
    fn write(&mut self, first: usize, by: ArrayView3<'_, f32>) -> Result<()> {
        let Segment { first: first_step, steps } = self.segment;
        let by = by.slice(s![first_step as usize..(first_step + steps) as usize, .., ..]);
        rows::write_columns(&mut self.to, first, by, Dtype::F32, self.ends, "")
    }
}

/// Some steps of the gradient by a layer's output, each direction padded by itself.
fn output_gradient(
    network: &Network,
    given: &OutputGradients<'_>,
    layer: usize,
    to: &mut Columns<'_>,
) -> Result<()> {
    // The gradients of every layer: a lower layer is asked for only where all are.
    let outputs = Outputs { every_layer: true, ..Outputs::default() };
    let own = pieces(network, outputs).filter(|piece| network.slots[piece.slot].layer == layer);
    for piece in own.filter(|piece| piece.source == Source::Steps) {
        let Some(by) = given.of(piece.array) else { continue };
        let by = network.layout.swap(by);
        let slot = &network.slots[piece.slot];
        let first = slot.direction * slot.state_size.next_multiple_of(crate::kernel::VECTOR);
        let columns = piece.first_column..piece.first_column + piece.width;
        to.write(first, by.slice(s![.., .., columns]))?;
    }
    Ok(())
}

/// Some steps of the gradient by the last layer's cell states of some slots.
fn cell_gradient(
    network: &Network,
    given: &OutputGradients<'_>,
    (slot, count): (usize, usize),
    to: &mut Columns<'_>,
) -> Result<()> {
    let Some(by) = given.of(ResultArray::CellStates) else { return Ok(()) };
    let (by, first) = (network.layout.swap(by), &network.slots[slot]);
    let columns = first.direction * first.hidden_size..(first.direction + count) * first.hidden_size;
    to.write(0, by.slice(s![.., .., columns]))
}
