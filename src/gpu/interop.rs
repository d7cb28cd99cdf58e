//! A caller's buffers and encoder: carries arrays between them and a plan's own, on the GPU. Makes its
//! objects once for a set of buffers, and none after that.

mod carry;
mod saved;

pub(super) use carry::Carry;
pub(crate) use saved::GpuEncodedSaved;

use super::buffer::{Buffer, hold};
use super::prepared::{Prepared, Turn, padded, uniform_stride};
use super::{Gpu, GpuRnn, Longest, Setup, Wait, check_memory, encode::record_carry, put, take};
use crate::interop::{Buffers, Placed, Role};
use crate::network::{Network, Save};
use crate::plan::{BufferId, Payload, Plan, Transfer, Workload};
use crate::{Dropout, Result, Wanted, Weights};
use carry::{Carrying, regions, states, ways_of};
use std::collections::VecDeque;

/// A shape that has been encoded, with the dispatches that carry the arrays of the callers' buffers in and
/// out.
#[derive(Debug)]
pub(super) struct Encoded {
    workload: Workload,
    prepared: Prepared,
    /// The learned state of each slot, for a call that is given none.
    learned: Vec<(Transfer, Buffer)>,
    /// Objects by set of buffers, of calls and of backward passes, the latest first.
    bound: [VecDeque<BoundBuffers>; 2],
}

/// Sets of buffers that are kept for a shape: enough for callers who take turns with a few.
const MAX_BOUND: usize = 8;

/// Shapes that are kept.
const MAX_SHAPES: usize = 4;

#[derive(Debug)]
struct BoundBuffers {
    arrays: Vec<(Role, Placed)>,
    adds: bool,
    before: Vec<Carry>,
    after: Vec<Carry>,
    /// The sizes that the carries are bound to.
    sizes: Buffer,
}

/// The arrays of a call or of its backward pass, checked.
struct Arrays {
    arrays: Vec<(Role, Placed)>,
    adds: bool,
}

impl GpuRnn {
    /// Records a call into a caller's encoder; nothing is recorded where it fails.
    pub async fn encode(
        &self,
        weights: &Weights,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        arrays: Vec<(Role, Placed)>,
        setup: &Setup,
        wait: Wait,
    ) -> Result<()> {
        let mut encoded = self.encoded_for(weights, buffers, None, setup, wait).await?;
        let recorded = self.record_call(weights.network(), &mut encoded, encoder, buffers, arrays).await;
        put(&self.encoded, encoded, MAX_SHAPES);
        recorded
    }

    /// The objects of a shape, out of the pool or new.
    async fn encoded_for(
        &self,
        weights: &Weights,
        buffers: &Buffers<'_>,
        saves: Option<Save>,
        setup: &Setup,
        wait: Wait,
    ) -> Result<Encoded> {
        let network = weights.network();
        let workload = Workload {
            has_lengths: buffers.get(Role::Lengths).is_some(),
            saves,
            drops: buffers.dropout.is_some(),
            outputs: buffers.outputs(),
            dtype: setup.dtype,
            tuning: setup.tuning,
            ..Workload::new(buffers.steps, buffers.batch)
        };
        if let Some(encoded) = take(&self.encoded, |encoded| encoded.workload == workload) {
            self.weights.refresh(&self.gpu, weights, setup.dtype, saves.is_some()).await?;
            return Ok(encoded);
        }
        let plan = Plan::of_network(network, &workload, &self.gpu.limits)?;
        check_memory(&plan, self.gpu.is_software)?;
        #[cfg(not(target_arch = "wasm32"))]
        let plan = if saves.is_some() { plan } else { self.tuned(weights, &workload, plan, wait).await };
        #[cfg(target_arch = "wasm32")]
        let _ = wait;
        let on_gpu = self.weights.of(&self.gpu, weights, setup.dtype, saves.is_some()).await?;
        let learned = learned(&self.gpu, weights, &plan, buffers.batch).await?;
        let prepared = Prepared::new(&self.gpu, &on_gpu, plan, false).await?;
        self.gpu.pipelines.save();
        Ok(Encoded { workload, prepared, learned, bound: Default::default() })
    }

    /// Records a call with these objects.
    async fn record_call(
        &self,
        network: &Network,
        encoded: &mut Encoded,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        arrays: Vec<(Role, Placed)>,
    ) -> Result<()> {
        let arrays = Arrays { arrays, adds: false };
        let bound = encoded.bound_to(&self.gpu, network, Turn::Forward, arrays).await?;
        // A copy needs the words in a buffer, and an earlier call of the same encoder has words of its own.
        let words = match buffers.dropout.as_ref().map(Dropout::words) {
            Some(words) => {
                let bytes = bytemuck::cast_slice(&words);
                Some(self.gpu.filled("dropout", bytes, wgpu::BufferUsages::COPY_SRC).await?)
            }
            None => None,
        };
        let record = || self.gpu.count_dispatches(encoded.record(encoder, &bound, words.as_ref()));
        let recorded = self.gpu.scoped(record).await;
        encoded.keep(Turn::Forward, bound);
        recorded
    }
}

impl Encoded {
    /// The objects for a set of arrays.
    async fn bound_to(
        &mut self,
        gpu: &Gpu,
        network: &Network,
        turn: Turn,
        arrays: Arrays,
    ) -> Result<BoundBuffers> {
        let known = &mut self.bound[turn as usize];
        let is_same = |bound: &BoundBuffers| bound.arrays == arrays.arrays && bound.adds == arrays.adds;
        match known.iter().position(is_same) {
            Some(index) => Ok(known.remove(index).expect("the index was just found")),
            None => BoundBuffers::new(gpu, network, self, turn, arrays).await,
        }
    }

    fn keep(&mut self, turn: Turn, bound: BoundBuffers) {
        let known = &mut self.bound[turn as usize];
        known.push_front(bound);
        known.truncate(MAX_BOUND);
    }

    fn record(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        bound: &BoundBuffers,
        dropout: Option<&Buffer>,
    ) -> u64 {
        let run = &self.prepared;
        for transfer in &run.plan.forward.uploads {
            let to = run.buffer(transfer.buffer[0]);
            let (offset, bytes) = (transfer.dtype.bytes() * transfer.buffer_offset, transfer.bytes());
            match transfer.what {
                Payload::Lengths => {
                    if let Some(lengths) = bound.array(Role::Lengths) {
                        encoder.copy_buffer_to_buffer(&lengths.buffer, 4 * lengths.offset, to, offset, bytes);
                    }
                }
                Payload::Dropout => {
                    if let Some(words) = dropout {
                        encoder.copy_buffer_to_buffer(words, 0, to, offset, bytes);
                    }
                }
                Payload::Hidden { .. } | Payload::Cell { .. } if bound.array(Role::H0).is_none() => {
                    match self.learned.iter().find(|(learned, _)| learned.what == transfer.what) {
                        Some((_, from)) => encoder.copy_buffer_to_buffer(from, 0, to, offset, bytes),
                        None => encoder.clear_buffer(to, offset, Some(bytes)),
                    }
                }
                _ => {}
            }
        }
        record_carry(encoder, "carry in", &bound.before);
        let recorded = self.record_passes(encoder, Turn::Forward, None);
        record_carry(encoder, "carry out", &bound.after);
        self.hold(encoder, bound, dropout);
        recorded
    }

    /// The buffers of a recorded call outlive the network.
    fn hold(&self, encoder: &wgpu::CommandEncoder, bound: &BoundBuffers, dropout: Option<&Buffer>) {
        let learned = self.learned.iter().map(|(_, buffer)| buffer);
        let all = self.prepared.held().chain(learned).chain([&bound.sizes]).chain(dropout);
        hold(encoder, all.cloned().collect());
    }

    pub(super) fn has_learned_state(&self) -> bool {
        !self.learned.is_empty()
    }

    /// Records all passes, and counts their dispatches.
    fn record_passes(&self, encoder: &mut wgpu::CommandEncoder, turn: Turn, wanted: Option<&Wanted>) -> u64 {
        let run = &self.prepared;
        let longest = Longest { wanted, ..Longest::of(run.plan.steps) };
        let submits = 0..run.way(turn).0.submits.len();
        submits.map(|submit| run.record_submit(encoder, turn, submit, &longest, None)).sum()
    }

    /// The plan's own lengths.
    fn lengths(&self) -> Option<BufferId> {
        let transfer =
            self.prepared.plan.forward.uploads.iter().find(|transfer| transfer.what == Payload::Lengths);
        transfer.map(|transfer| transfer.buffer[0])
    }
}

/// The learned states, as the plan's buffers hold them.
async fn learned(gpu: &Gpu, weights: &Weights, plan: &Plan, batch: usize) -> Result<Vec<(Transfer, Buffer)>> {
    let mut learned = Vec::new();
    if !weights.network().slots[0].cell.has_learned_state {
        return Ok(learned);
    }
    let state = weights.initial_state(batch)?;
    for transfer in &plan.forward.uploads {
        if let Some(numbers) = super::staging::state_of(weights.network(), &state, transfer.what) {
            let mut bytes = vec![0; transfer.bytes() as usize];
            super::rows::write((&mut bytes[..]).into(), numbers, transfer.dtype, None, "learned state")?;
            let buffer = gpu.filled("learned state", &bytes, wgpu::BufferUsages::COPY_SRC).await?;
            learned.push((*transfer, buffer));
        }
    }
    Ok(learned)
}

impl BoundBuffers {
    fn array(&self, role: Role) -> Option<&Placed> {
        self.arrays.iter().find(|(other, _)| *other == role).map(|(_, placed)| placed)
    }

    async fn new(
        gpu: &Gpu,
        network: &Network,
        encoded: &Encoded,
        turn: Turn,
        Arrays { arrays, adds }: Arrays,
    ) -> Result<BoundBuffers> {
        let (run, workload) = (&encoded.prepared, &encoded.workload);
        let (way, _) = run.way(turn);
        let [before, after] = states(turn);
        // Past the ends of sequences, a saved call keeps the states that sequences have reached.
        let lengths = if workload.saves.is_some() { encoded.lengths() } else { None };
        let mut ways = Vec::new();
        for (transfers, states) in [(&way.uploads, before), (&way.downloads, after)] {
            for transfer in transfers {
                for (role, region) in regions(network, workload, states, transfer) {
                    let given = arrays.iter().find(|(other, _)| *other == role);
                    let Some((_, placed)) = given else { continue };
                    let (run, carrying) = ((run, workload.batch), Carrying { lengths, adds });
                    let all = ways_of(gpu, run, (role, placed), transfer, region, carrying)?;
                    ways.extend(all.into_iter().map(|way| (role, way)));
                }
            }
        }
        let stride = uniform_stride(gpu);
        let mut bytes = Vec::new();
        for (index, (_, way)) in ways.iter().enumerate() {
            bytes.resize(index * stride, 0);
            bytes.extend_from_slice(way.dispatch.dims.bytes());
        }
        // A uniform cannot be empty.
        bytes.resize(bytes.len().max(1), 0);
        let dims = gpu.filled("sizes of arrays", &padded(bytes), wgpu::BufferUsages::UNIFORM).await?;
        if let Some((_, lengths)) = arrays.iter().find(|(role, _)| *role == Role::Lengths) {
            // wgpu finds fault with a copy when its encoder is finished: here with one of our own, not with
            // the caller's.
            let to = run.plan.forward.uploads.iter().find(|transfer| transfer.what == Payload::Lengths);
            gpu.scoped(|| {
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                if let Some(to) = to {
                    let into = run.buffer(to.buffer[0]);
                    encoder.copy_buffer_to_buffer(&lengths.buffer, 4 * lengths.offset, into, 0, to.bytes());
                }
                drop(encoder.finish());
            })
            .await?;
        }
        let (mut before, mut after) = (Vec::new(), Vec::new());
        for (index, (role, way)) in ways.into_iter().enumerate() {
            let carry = way.prepare(gpu, run, &dims, (index * stride) as u64).await?;
            if role.is_read() { before.push(carry) } else { after.push(carry) }
        }
        Ok(BoundBuffers { arrays, adds, before, after, sizes: dims })
    }
}
