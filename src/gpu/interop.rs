//! A caller's buffers and encoder: carries arrays between them and a plan's own, on the GPU. Makes its
//! objects once for a set of buffers, and none after that.

mod carry;

pub(super) use carry::Carry;

use super::prepared::{Prepared, Turn, padded, uniform_stride};
use super::{Gpu, GpuRnn, Longest, Setup, Wait, check_memory, encode::record_carry, put, take};
use crate::interop::{Buffers, Placed, Role};
use crate::network::Network;
use crate::plan::{Payload, Plan, Transfer, Workload};
use crate::{Result, Weights};
use carry::{Region, ways_of};
use std::collections::VecDeque;

/// A shape that has been encoded, with the dispatches that carry the arrays of the callers' buffers in and
/// out.
#[derive(Debug)]
pub(super) struct Encoded {
    workload: Workload,
    prepared: Prepared,
    /// The learned state of each slot, for a call that is given none.
    learned: Vec<(Transfer, wgpu::Buffer)>,
    /// The latest first.
    bound: VecDeque<BoundBuffers>,
}

/// Sets of buffers that are kept for a shape: enough for callers who take turns with a few.
const MAX_BOUND: usize = 8;

/// Shapes that are kept.
const MAX_SHAPES: usize = 4;

#[derive(Debug)]
struct BoundBuffers {
    arrays: Vec<(Role, Placed)>,
    before: Vec<Carry>,
    after: Vec<Carry>,
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
        let network = weights.network();
        let workload = Workload {
            has_lengths: buffers.get(Role::Lengths).is_some(),
            outputs: buffers.outputs(),
            dtype: setup.dtype,
            tuning: setup.tuning,
            ..Workload::new(buffers.steps, buffers.batch)
        };
        let known = take(&self.encoded, |encoded| encoded.workload == workload);
        let mut encoded = match known {
            Some(encoded) => encoded,
            None => {
                let plan = Plan::of_network(network, &workload, &self.gpu.limits)?;
                check_memory(&plan, &self.gpu.limits)?;
                #[cfg(not(target_arch = "wasm32"))]
                let plan = self.tuned(weights, &workload, plan, wait).await;
                #[cfg(target_arch = "wasm32")]
                let _ = wait;
                let on_gpu = self.weights.of(&self.gpu, weights, setup.dtype, false).await?;
                let learned = learned(&self.gpu, weights, &plan, buffers.batch).await?;
                let prepared = Prepared::new(&self.gpu, &on_gpu, plan, false).await?;
                Encoded { workload, prepared, learned, bound: VecDeque::new() }
            }
        };
        let bound = match encoded.bound.iter().position(|bound| bound.arrays == arrays) {
            Some(index) => encoded.bound.remove(index).expect("the index was just found"),
            None => match BoundBuffers::new(&self.gpu, network, &encoded, arrays).await {
                Ok(bound) => bound,
                Err(refused) => {
                    put(&self.encoded, encoded, MAX_SHAPES);
                    return Err(refused);
                }
            },
        };
        self.gpu.pipelines.save();
        let recorded = self.gpu.scoped(|| encoded.record(encoder, &bound)).await;
        encoded.bound.push_front(bound);
        encoded.bound.truncate(MAX_BOUND);
        put(&self.encoded, encoded, MAX_SHAPES);
        recorded
    }
}

impl Encoded {
    fn record(&self, encoder: &mut wgpu::CommandEncoder, bound: &BoundBuffers) {
        let run = &self.prepared;
        let given = |role: Role| bound.arrays.iter().find(|(other, _)| *other == role);
        for transfer in &run.plan.forward.uploads {
            let to = run.buffer(transfer.buffer[0]);
            let (offset, bytes) = (transfer.dtype.bytes() * transfer.buffer_offset, transfer.bytes());
            match transfer.what {
                Payload::Lengths => {
                    if let Some((_, lengths)) = given(Role::Lengths) {
                        encoder.copy_buffer_to_buffer(&lengths.buffer, 4 * lengths.offset, to, offset, bytes);
                    }
                }
                Payload::Hidden { .. } | Payload::Cell { .. } if given(Role::H0).is_none() => {
                    match self.learned.iter().find(|(learned, _)| learned.what == transfer.what) {
                        Some((_, from)) => encoder.copy_buffer_to_buffer(from, 0, to, offset, bytes),
                        None => encoder.clear_buffer(to, offset, Some(bytes)),
                    }
                }
                _ => {}
            }
        }
        record_carry(encoder, "carry in", &bound.before);
        let longest = Longest { steps: run.plan.steps, lengths: None, resident: None, wanted: None };
        for submit in 0..run.plan.forward.submits.len() {
            run.record_submit(encoder, Turn::Forward, submit, &longest, None);
        }
        record_carry(encoder, "carry out", &bound.after);
    }
}

/// The learned states, as the plan's buffers hold them.
async fn learned(
    gpu: &Gpu,
    weights: &Weights,
    plan: &Plan,
    batch: usize,
) -> Result<Vec<(Transfer, wgpu::Buffer)>> {
    let mut learned = Vec::new();
    if !weights.network().slots[0].cell.has_learned_state {
        return Ok(learned);
    }
    let state = weights.initial_state(batch)?;
    for transfer in &plan.forward.uploads {
        if let Some(numbers) = super::staging::state_of(weights.network(), &state, transfer.what) {
            let mut bytes = vec![0; transfer.bytes() as usize];
            super::numbers::store(&numbers, transfer.dtype, &mut bytes, "learned state")?;
            let buffer = gpu.filled("learned state", &bytes, wgpu::BufferUsages::COPY_SRC).await?;
            learned.push((*transfer, buffer));
        }
    }
    Ok(learned)
}

impl BoundBuffers {
    async fn new(
        gpu: &Gpu,
        network: &Network,
        encoded: &Encoded,
        arrays: Vec<(Role, Placed)>,
    ) -> Result<BoundBuffers> {
        let (run, batch) = (&encoded.prepared, encoded.workload.batch);
        let mut ways = Vec::new();
        for (role, placed) in &arrays {
            let way = &run.plan.forward;
            let transfers = if role.is_read() { &way.uploads } else { &way.downloads };
            for transfer in transfers {
                if let Some(part) = Region::of(network, batch, *role, transfer) {
                    let all = ways_of(gpu, (run, batch), *role, placed, transfer, part)?;
                    ways.extend(all.into_iter().map(|way| (*role, way)));
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
        Ok(BoundBuffers { arrays, before, after })
    }
}
