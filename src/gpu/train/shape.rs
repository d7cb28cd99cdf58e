//! The arrays and objects of one size of batch.

use super::carried::Carried;
use super::{GpuTraining, HeadReads, TrainingBatch, array};
use crate::Result;
use crate::gpu::buffer::Buffer;
use crate::gpu::prepared::Prepared;
use crate::gpu::weights::KnownBuffers;
use crate::gpu::{Gpu, check_memory};
use crate::interop::{BufferArray, Buffers, GradientBuffers};
use crate::network::Network;
use crate::plan::{Content, Given, Objective, PlannedLoss, Pooling, padded, product};

/// The arrays of a batch of T steps and N sequences, and its head and loss.
#[derive(Debug)]
pub(super) struct Shape {
    steps: usize,
    batch: usize,
    loss: PlannedLoss,
    adds: bool,
    reads: HeadReads,
    /// The batch has lengths.
    has_lengths: bool,
    /// Strides of the results that the head reads, and of the gradients by them.
    strides: [u64; 2],
    input: Buffer,
    lengths: Option<Buffer>,
    targets: Buffer,
    features: Buffer,
    by_features: Buffer,
    pub objective: Prepared,
}

impl Shape {
    pub fn fits(&self, batch: &TrainingBatch<'_>) -> bool {
        [self.steps, self.batch] == [batch.steps, batch.batch]
            && self.loss == batch.loss
            && self.adds == batch.adds
            && self.has_lengths == batch.lengths.is_some()
    }

    pub async fn new(
        gpu: &Gpu,
        network: &Network,
        training: &GpuTraining,
        of: &TrainingBatch<'_>,
    ) -> Result<Shape> {
        let spec = &training.spec;
        let (steps, batch) = (of.steps as u64, of.batch as u64);
        let objective = objective(network, spec.reads, &spec.head, of);
        // A row of states has all slots side by side.
        let strides = match spec.reads {
            HeadReads::LastStates => [spec.head.part_row, objective.row],
            _ => [batch * objective.row, objective.row],
        };
        let plan = objective.plan(&gpu.limits)?;
        check_memory(&plan, gpu.is_software)?;
        let targets = of.loss.targets(objective.steps, of.batch, spec.head.outputs);
        let read = if spec.reads.pools() { of.steps } else { objective.steps };
        let rows = product(&[read as u64, batch, objective.row]);
        let input = array(gpu, "input", 4 * product(&[steps, batch, network.input_size as u64])).await?;
        let has_lengths = of.lengths.is_some();
        let lengths = match has_lengths || spec.reads.pools() {
            true => Some(array(gpu, "lengths", 4 * batch).await?),
            false => None,
        };
        if let (Some(lengths), false) = (&lengths, has_lengths) {
            let whole = vec![of.steps as u32; of.batch];
            gpu.queue.write_buffer(lengths, 0, bytemuck::cast_slice(&whole));
        }
        let targets = array(gpu, "targets", 4 * targets).await?;
        let features = match (&training.carried, spec.reads) {
            // The final states are the carried ones.
            (Some(carried), HeadReads::LastStates) => carried.h.clone(),
            _ => array(gpu, "features", 4 * rows).await?,
        };
        let by_features = array(gpu, "gradients by features", 4 * rows).await?;
        let mut known = KnownBuffers::new();
        known.extend(training.shared.iter().map(|(content, buffer)| (*content, buffer.clone())));
        for (given, buffer) in
            [(Given::Features, &features), (Given::ByFeatures, &by_features), (Given::Targets, &targets)]
        {
            known.insert(Content::Given(given), buffer.clone());
        }
        if let Some(lengths) = &lengths {
            known.insert(Content::Given(Given::Lengths), lengths.clone());
        }
        let objective = Prepared::new(gpu, &known, plan, false).await?;
        Ok(Shape {
            steps: of.steps,
            batch: of.batch,
            loss: of.loss,
            adds: of.adds,
            reads: spec.reads,
            has_lengths,
            strides,
            input,
            lengths,
            targets,
            features,
            by_features,
            objective,
        })
    }

    fn array<'a>(&self, buffer: &'a wgpu::Buffer) -> BufferArray<'a> {
        let [step, sequence] = self.strides;
        BufferArray::new(buffer).strides(step, sequence)
    }

    /// The arrays of the saved call.
    pub fn buffers<'a>(&'a self, batch: &TrainingBatch<'_>, carried: Option<&'a Carried>) -> Buffers<'a> {
        let mut buffers = Buffers::new(self.steps, self.batch, BufferArray::new(&self.input));
        if let Some(lengths) = self.lengths.as_ref().filter(|_| self.has_lengths) {
            buffers = buffers.lengths(lengths, 0);
        }
        if let Some(dropout) = batch.dropout {
            buffers = buffers.dropout(dropout);
        }
        if let Some(carried) = carried {
            buffers = carried.add(buffers);
        }
        match self.reads {
            HeadReads::LastStates => buffers.h_n(self.array(&self.features)),
            _ => buffers.output(self.array(&self.features)),
        }
    }

    /// The arrays of its backward pass.
    pub fn gradients<'a>(&'a self, by_weights: &'a wgpu::Buffer, adds: bool) -> GradientBuffers<'a> {
        let buffers = GradientBuffers::new().by_weights(BufferArray::new(by_weights));
        let buffers = match self.reads {
            HeadReads::LastStates => buffers.by_h_n(self.array(&self.by_features)),
            _ => buffers.by_output(self.array(&self.by_features)),
        };
        if adds { buffers.accumulate() } else { buffers }
    }

    /// Brings a batch to the device.
    pub fn upload(&self, gpu: &Gpu, batch: &TrainingBatch<'_>) {
        gpu.queue.write_buffer(&self.input, 0, bytemuck::cast_slice(batch.input));
        gpu.queue.write_buffer(&self.targets, 0, bytemuck::cast_slice(batch.targets));
        if let (Some(into), Some(lengths)) = (&self.lengths, batch.lengths) {
            gpu.queue.write_buffer(into, 0, bytemuck::cast_slice(lengths));
        }
    }
}

/// The head and the loss of a batch.
fn objective(
    network: &Network,
    reads: HeadReads,
    head: &crate::plan::LinearHead,
    of: &TrainingBatch<'_>,
) -> Objective {
    let (steps, row, first) = match reads {
        HeadReads::LastStates => {
            let row = padded(network.state_size());
            let first = row * network.top()[0].index as u64;
            (1, row * network.slots.len() as u64, first)
        }
        HeadReads::EveryStep => (of.steps, head.row(), 0),
        HeadReads::Mean | HeadReads::Max => (1, head.row(), 0),
    };
    let is_maximum = reads == HeadReads::Max;
    let pooling = reads.pools().then_some(Pooling { steps: of.steps, is_maximum });
    Objective { pooling, head: *head, loss: of.loss, steps, batch: of.batch, row, first, adds: of.adds }
}
