//! Training steps: a network's saved call, its head and loss, its backward pass and the update of all
//! parameters are recorded at once, and stay on the device.

mod carried;
mod reduction;
mod report;
mod shape;

use super::buffer::Buffer;
use super::prepared::{Prepared, Turn};
use super::weights::KnownBuffers;
use super::{Gpu, GpuRnn, Longest, Setup, Wait, check_memory};
use crate::interop::check;
use crate::network::{Dtype, Network, Save};
use crate::plan::{Content, Given, LinearHead, NUMBERS_LEN, PlannedLoss, REPORT_LEN, Update};
use crate::weights::Table;
use crate::{Dropout, Error, Result, State, Weights};
use carried::Carried;
pub(crate) use report::GpuReport;
use report::Reports;
use shape::Shape;
use std::collections::{VecDeque, hash_map::Entry};

/// Shapes that are kept, as many as saved calls of shapes are.
const MAX_SHAPES: usize = 4;

/// The results that a head reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadReads {
    LastStates,
    EveryStep,
    /// The mean of all steps.
    Mean,
    /// Their maximum.
    Max,
}

impl HeadReads {
    /// One prediction per sequence.
    pub const fn is_of_sequence(self) -> bool {
        !matches!(self, HeadReads::EveryStep)
    }

    /// The mean or the maximum of steps.
    const fn pools(self) -> bool {
        matches!(self, HeadReads::Mean | HeadReads::Max)
    }
}

/// The parts of a training that its plans depend on.
#[derive(Clone, Debug)]
pub(crate) struct TrainingSpec {
    pub head: LinearHead,
    pub reads: HeadReads,
    /// The optimiser: `rule` of its numbers, and its arrays.
    pub rule: u32,
    pub states: usize,
    /// The weights of classes, C of them.
    pub class_weights: Vec<f32>,
}

/// The arrays of a training that stay on the device.
#[derive(Debug)]
pub(crate) struct GpuTraining {
    spec: TrainingSpec,
    /// All arrays that the plans share but those of a shape.
    shared: KnownBuffers,
    update: Prepared,
    /// Packs the weights after an update that saved calls of this kind read.
    packing: (Save, Prepared),
    shapes: VecDeque<Shape>,
    reports: Reports,
    carried: Option<Carried>,
    /// The buffer of a reduction, if there was one.
    staging: Option<Buffer>,
}

/// One batch of a training, as the device takes it.
pub(crate) struct TrainingBatch<'a> {
    pub steps: usize,
    pub batch: usize,
    /// The input, in the order of the network's layout.
    pub input: &'a [f32],
    pub lengths: Option<&'a [u32]>,
    pub targets: &'a [u32],
    pub loss: PlannedLoss,
    pub numbers: [u32; NUMBERS_LEN as usize],
    pub dropout: Option<Dropout>,
    pub save: Save,
    /// The batch begins from the states of the batch before.
    pub carries: bool,
    /// Gradients are added to those of earlier batches.
    pub adds: bool,
    /// The parameters are updated.
    pub updates: bool,
}

impl GpuRnn {
    /// Makes the arrays of a training. The weights were set once, so that they are held on the device.
    pub async fn training(
        &self,
        weights: &Weights,
        head: &[f32],
        spec: TrainingSpec,
        setup: &Setup,
    ) -> Result<GpuTraining> {
        let gpu = &*self.gpu;
        let save = Save::default();
        let packing = (save, self.weights.training(gpu, weights, setup.dtype, save).await?);
        let parameters = self.weights.parameters();
        let [parameters] = &parameters[..] else {
            let (needed, limit) = (4 * Table::of(weights.network()).len as u64, gpu.limits.max_buffer_bytes);
            let (what, unit, holder) =
                ("the gradients by all weights".into(), "bytes", "a buffer of the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        };
        let flats = vec![parameters.size() / Dtype::F32.bytes()];
        let update = Update { head: spec.head, flats, rule: spec.rule, states: spec.states };
        let plan = update.plan(&gpu.limits)?;
        check_memory(&plan, gpu.is_software)?;
        let mut shared = KnownBuffers::new();
        shared.insert(Content::Given(Given::Parameters(0)), parameters.clone());
        // The gradients of the whole table, whose end is padding.
        let whole = Dtype::F32.bytes() * Table::of(weights.network()).len as u64;
        for buffer in plan.buffers.iter().filter(|buffer| matches!(buffer.content, Content::Given(_))) {
            let Entry::Vacant(place) = shared.entry(buffer.content) else { continue };
            let bytes = match buffer.content {
                Content::Given(Given::Gradients(_)) => whole,
                _ => buffer.bytes(),
            };
            place.insert(array(gpu, &buffer.name, bytes).await?);
        }
        let by_head = array(gpu, "gradients by the head", 4 * spec.head.len() as u64).await?;
        shared.insert(Content::Given(Given::HeadGradients), by_head);
        let class_weights = array(gpu, "class weights", 4 * spec.class_weights.len() as u64).await?;
        gpu.queue.write_buffer(&class_weights, 0, bytemuck::cast_slice(&spec.class_weights));
        shared.insert(Content::Given(Given::ClassWeights), class_weights);
        let update = Prepared::new(gpu, &shared, plan, false).await?;
        let reports = Reports::default();
        let (shapes, carried, staging) = (VecDeque::new(), None, None);
        let training = GpuTraining { spec, shared, update, packing, shapes, reports, carried, staging };
        gpu.queue.write_buffer(training.given(Given::Parameters(1)), 0, bytemuck::cast_slice(head));
        training.pack_head(gpu).await?;
        Ok(training)
    }

    /// Records and submits one batch.
    pub async fn train(
        &self,
        weights: &Weights,
        training: &mut GpuTraining,
        batch: &TrainingBatch<'_>,
        setup: &Setup,
        wait: Wait,
    ) -> Result<()> {
        let (gpu, network) = (&*self.gpu, weights.network());
        if batch.carries && training.carried.is_none() {
            training.carried = Some(Carried::new(gpu, network, batch.batch).await?);
            // Earlier shapes are bound to states of another N.
            training.shapes.clear();
        }
        if training.packing.0 != batch.save {
            let packing = self.weights.training(gpu, weights, setup.dtype, batch.save).await?;
            training.packing = (batch.save, packing);
        }
        let shape = training.shape(gpu, network, batch).await?;
        let recorded = self.record_batch(weights, training, &shape, batch, setup, wait).await;
        training.shapes.push_front(shape);
        training.shapes.truncate(MAX_SHAPES);
        recorded
    }

    async fn record_batch(
        &self,
        weights: &Weights,
        training: &mut GpuTraining,
        shape: &Shape,
        batch: &TrainingBatch<'_>,
        setup: &Setup,
        wait: Wait,
    ) -> Result<()> {
        let (gpu, network) = (&*self.gpu, weights.network());
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        let buffers = shape.buffers(batch, training.carried.as_ref());
        let arrays = check(network, &buffers, gpu.limits.f16)?;
        let encoded = self.encode_saved(weights, &mut encoder, &buffers, arrays, batch.save, setup, wait);
        let saved = encoded.await?;
        gpu.scoped(|| {
            shape.upload(gpu, batch);
            let numbers = training.given(Given::Numbers);
            gpu.queue.write_buffer(numbers, 0, bytemuck::cast_slice(&batch.numbers));
            record(gpu, &shape.objective, &mut encoder);
        })
        .await?;
        let gradients = shape.gradients(training.given(Given::Gradients(0)), batch.adds);
        let arrays = gradients.check(network, saved.outputs(), saved.size(), gpu.limits.f16)?;
        let wanted = gradients.wanted(network)?;
        let back = self.encode_backward(network, &mut encoder, saved, arrays, &wanted, batch.adds).await;
        back.map_err(|(refused, _)| refused)?;
        let report = if batch.updates { Some(training.reports.take(gpu).await?) } else { None };
        gpu.scoped(|| {
            if let Some(report) = &report {
                self.record_update(training, &mut encoder, report);
            }
            gpu.queue.submit([encoder.finish()]);
            if let Some(report) = report {
                training.reports.push(report);
            }
        })
        .await?;
        if batch.updates {
            self.weights.trained().await;
        }
        Ok(())
    }

    /// Records the update of all parameters, and the copy of its report.
    fn record_update(
        &self,
        training: &GpuTraining,
        encoder: &mut wgpu::CommandEncoder,
        report: &wgpu::Buffer,
    ) {
        record(&self.gpu, &training.update, encoder);
        record(&self.gpu, &training.packing.1, encoder);
        encoder.copy_buffer_to_buffer(training.given(Given::Report), 0, report, 0, 4 * REPORT_LEN);
    }

    /// The reports of the steps that are done, in order; of all, if it waits for them.
    pub async fn reports(&self, training: &mut GpuTraining, waits: Option<Wait>) -> Result<Vec<GpuReport>> {
        training.reports.done(&self.gpu, waits).await
    }

    /// The head's flat parameters, read back.
    pub async fn head(&self, training: &GpuTraining) -> Result<Vec<f32>> {
        training.read(&self.gpu, Given::Parameters(1)).await
    }

    /// The flat arrays, read back: parameters of the network and of the head, then an array of each for each
    /// of the optimiser's states.
    pub async fn flats(&self, training: &GpuTraining) -> Result<Vec<[Vec<f32>; 2]>> {
        let mut all = vec![[
            training.read(&self.gpu, Given::Parameters(0)).await?,
            training.read(&self.gpu, Given::Parameters(1)).await?,
        ]];
        for which in 0..training.spec.states {
            let state = |flat| training.read(&self.gpu, Given::State(flat, which));
            all.push([state(0).await?, state(1).await?]);
        }
        Ok(all)
    }

    /// N of the states that the next batch begins from, if there are some.
    pub fn carried_batch(&self, training: &GpuTraining) -> Option<usize> {
        training.carried.as_ref().map(Carried::batch)
    }

    /// Begins the next batch from zero.
    pub fn reset_carried(&self, training: &mut GpuTraining) {
        training.carried = None;
    }

    /// The states that the next batch begins from, `[L*D, N, H]`.
    pub async fn carried(&self, network: &Network, training: &GpuTraining) -> Result<Option<State>> {
        match &training.carried {
            Some(carried) => carried.read(&self.gpu, network).await.map(Some),
            None => Ok(None),
        }
    }

    /// Sets these states.
    pub async fn set_carried(
        &self,
        network: &Network,
        training: &mut GpuTraining,
        state: &State,
    ) -> Result<()> {
        let carried = Carried::new(&self.gpu, network, state.h.dim().1).await?;
        carried.write(&self.gpu, network, state);
        training.carried = Some(carried);
        training.shapes.clear();
        Ok(())
    }

    /// Sets the optimiser's states.
    pub fn set_states(&self, training: &GpuTraining, states: &[[Vec<f32>; 2]]) {
        for (which, parts) in states.iter().enumerate() {
            for (flat, numbers) in parts.iter().enumerate() {
                let buffer = training.given(Given::State(flat, which));
                let len = numbers.len().min((buffer.size() / 4) as usize);
                self.gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&numbers[..len]));
            }
        }
    }
}

impl GpuTraining {
    fn given(&self, given: Given) -> &wgpu::Buffer {
        &self.shared[&Content::Given(given)]
    }

    /// Packs the head's weights, as the end of an update does.
    async fn pack_head(&self, gpu: &Gpu) -> Result<()> {
        // The last pass of an update.
        let plan = &self.update.plan;
        debug_assert_eq!(plan.forward.submits.len(), 1);
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            self.update.record_last_pass(&mut encoder);
            gpu.queue.submit([encoder.finish()]);
        })
        .await
    }

    /// The objects of a shape, out of the pool or new.
    async fn shape(&mut self, gpu: &Gpu, network: &Network, batch: &TrainingBatch<'_>) -> Result<Shape> {
        match self.shapes.iter().position(|shape| shape.fits(batch)) {
            Some(index) => Ok(self.shapes.remove(index).expect("the index was just found")),
            None => Shape::new(gpu, network, self, batch).await,
        }
    }

    async fn read(&self, gpu: &Gpu, given: Given) -> Result<Vec<f32>> {
        carried::download(gpu, self.given(given)).await
    }
}

/// An array that kernels and copies read and write.
async fn array(gpu: &Gpu, name: &str, bytes: u64) -> Result<Buffer> {
    use wgpu::BufferUsages as Usage;
    gpu.buffer(name, bytes.next_multiple_of(16), Usage::STORAGE | Usage::COPY_SRC | Usage::COPY_DST).await
}

/// Records a plan without time steps.
fn record(gpu: &Gpu, prepared: &Prepared, encoder: &mut wgpu::CommandEncoder) {
    let longest = Longest::of(0);
    for submit in 0..prepared.way(Turn::Forward).0.submits.len() {
        gpu.count_dispatches(prepared.record_submit(encoder, Turn::Forward, submit, &longest, None));
    }
}
