//! Encoded calls that are saved, and their backward passes.

use super::carry::{regions, states};
use super::{Arrays, BoundBuffers, Encoded, MAX_SHAPES};
use crate::gpu::encode::record_carry;
use crate::gpu::prepared::Turn;
use crate::gpu::{GpuRnn, Setup, Wait, put};
use crate::interop::{Buffers, Placed, Role};
use crate::network::{Network, Outputs, Save};
use crate::plan::Payload;
use crate::weights::{Entry, Table, TensorKind};
use crate::{Error, Result, Wanted, Weights};

/// An encoded call that was saved: the objects that hold its numbers.
#[derive(Debug)]
pub(crate) struct GpuEncodedSaved {
    encoded: Encoded,
    starts_from_learned: bool,
}

impl GpuEncodedSaved {
    pub fn outputs(&self) -> Outputs {
        self.encoded.workload.outputs
    }

    /// T and N.
    pub fn size(&self) -> [usize; 2] {
        [self.encoded.workload.steps, self.encoded.workload.batch]
    }
}

impl GpuRnn {
    /// Records a call that keeps all that its backward pass needs.
    #[allow(clippy::too_many_arguments, reason = "the arguments of `encode`, and the saving")]
    pub async fn encode_saved(
        &self,
        weights: &Weights,
        encoder: &mut wgpu::CommandEncoder,
        buffers: &Buffers<'_>,
        arrays: Vec<(Role, Placed)>,
        save: Save,
        setup: &Setup,
        wait: Wait,
    ) -> Result<GpuEncodedSaved> {
        let mut encoded = self.encoded_for(weights, buffers, Some(save), setup, wait).await?;
        let starts_from_learned = buffers.get(Role::H0).is_none();
        match self.record_call(weights.network(), &mut encoded, encoder, buffers, arrays).await {
            Ok(()) => Ok(GpuEncodedSaved { encoded, starts_from_learned }),
            Err(refused) => {
                put(&self.encoded, encoded, MAX_SHAPES);
                Err(refused)
            }
        }
    }

    /// Records the backward pass of a saved call, which is given back where it fails.
    pub async fn encode_backward(
        &self,
        network: &Network,
        encoder: &mut wgpu::CommandEncoder,
        saved: GpuEncodedSaved,
        arrays: Vec<(Role, Placed)>,
        wanted: &Wanted,
        adds: bool,
    ) -> Result<(), (Error, Box<GpuEncodedSaved>)> {
        let mut saved = Box::new(saved);
        let arrays = Arrays { arrays, adds };
        let bound = match saved.encoded.bound_to(&self.gpu, network, Turn::Backward, arrays).await {
            Ok(bound) => bound,
            Err(refused) => return Err((refused, saved)),
        };
        let record = || self.gpu.count_dispatches(saved.record_backward(network, encoder, &bound, wanted));
        let recorded = self.gpu.scoped(record).await;
        saved.encoded.keep(Turn::Backward, bound);
        match recorded {
            Ok(()) => {
                put(&self.encoded, saved.encoded, MAX_SHAPES);
                Ok(())
            }
            Err(refused) => Err((refused, saved)),
        }
    }
}

impl GpuEncodedSaved {
    fn record_backward(
        &self,
        network: &Network,
        encoder: &mut wgpu::CommandEncoder,
        bound: &BoundBuffers,
        wanted: &Wanted,
    ) -> u64 {
        let (run, workload) = (&self.encoded.prepared, &self.encoded.workload);
        let (way, _) = run.way(Turn::Backward);
        let [given, _] = states(Turn::Backward);
        for transfer in &way.uploads {
            let mut regions = regions(network, workload, given, transfer).into_iter().peekable();
            // A gradient that is not given is zero.
            let is_given = regions.peek().is_some() && regions.all(|(role, _)| bound.array(role).is_some());
            if !is_given {
                let (first, len) = (transfer.buffer_offset, transfer.len);
                let [first, len] = [first, len].map(|numbers| transfer.dtype.bytes() * numbers);
                encoder.clear_buffer(run.buffer(transfer.buffer[0]), first, Some(len));
            }
        }
        record_carry(encoder, "carry in", &bound.before);
        let recorded = self.encoded.record_passes(encoder, Turn::Backward, Some(wanted));
        self.clear_unwanted(&Table::of(network), encoder, wanted);
        record_carry(encoder, "carry out", &bound.after);
        self.encoded.hold(encoder, bound, None);
        recorded
    }

    /// Zeroes the gradients by the weights of frozen layers, and by a learned state that the call did not start
    /// from.
    fn clear_unwanted(&self, table: &Table, encoder: &mut wgpu::CommandEncoder, wanted: &Wanted) {
        let run = &self.encoded.prepared;
        let is_unwanted = |entry: &&Entry| {
            let is_learned = matches!(entry.name.kind, TensorKind::InitialH | TensorKind::InitialC);
            !wanted.has_weights(entry.name.layer) || (is_learned && !self.starts_from_learned)
        };
        for entry in table.entries.iter().filter(is_unwanted) {
            for transfer in &run.way(Turn::Backward).0.downloads {
                let Payload::WeightGradients { first } = transfer.what else { continue };
                let start = entry.range().start.max(first);
                let end = entry.range().end.min(first + transfer.len as usize);
                if start < end {
                    let [at, len] = [start - first, end - start].map(|numbers| 4 * numbers as u64);
                    encoder.clear_buffer(run.buffer(transfer.buffer[0]), at, Some(len));
                }
            }
        }
    }
}
