//! The head and the loss of a training step, forward and backward: from a network's results to the gradients
//! by them and by the head's parameters.

mod loss;
mod pooled;
mod samples;

pub(crate) use loss::PlannedLoss;
pub(crate) use samples::training_plans;

use super::buffers::{Binding, BufferId, Given, PlanBuffers};
use super::dims::{Dims, ReduceDims, TotalDims};
use super::dispatch::Dispatch;
use super::flat::GATES_IN_ORDER;
use super::gemm::{Gemm, Source, Target};
use super::maker::Maker;
use super::outer::{Columns, Outer};
use super::pack::Packed;
use super::walk::Walk;
use super::weights::{Weight, blocks};
use super::{FOUR, Limits, Plan, Schedule, Tuning, Way, product};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::Dtype;
use pooled::Pooled;

/// Rows of a partial sum of the head's gradient.
const CHUNK: u64 = 256;

/// A linear head over parts of rows that lie side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LinearHead {
    /// C: the columns of its predictions.
    pub outputs: usize,
    /// Features of a part, and parts: the directions.
    pub part: usize,
    pub parts: usize,
    /// Numbers from one part to the next: whole vectors.
    pub part_row: u64,
}

impl LinearHead {
    /// F.
    pub fn features(&self) -> usize {
        self.part * self.parts
    }

    /// Numbers of a row of features, padding of each part included.
    pub fn row(&self) -> u64 {
        self.part_row * self.parts as u64
    }

    /// The place of the bias in the flat parameters, and their length.
    pub fn bias(&self) -> usize {
        (self.outputs * self.features()).next_multiple_of(64)
    }

    pub fn len(&self) -> usize {
        self.bias() + self.outputs.next_multiple_of(64)
    }

    /// C, in vectors.
    fn columns(&self) -> u64 {
        (self.outputs as u64).div_ceil(FOUR)
    }

    fn depth(&self) -> u64 {
        self.row() / FOUR
    }
}

/// Rows over time that become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pooling {
    /// T of the rows.
    pub steps: usize,
    /// Their maximum, and not their mean.
    pub is_maximum: bool,
}

/// The head and the loss of a call.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Objective {
    pub head: LinearHead,
    pub loss: PlannedLoss,
    /// T of the predictions: 1 for one per sequence.
    pub steps: usize,
    pub batch: usize,
    /// Numbers of a row of the results, and the place in it where the features begin.
    pub row: u64,
    pub first: u64,
    /// The head reads the mean or the maximum of rows over time.
    pub pooling: Option<Pooling>,
    /// The gradients are added to those of earlier batches.
    pub adds: bool,
}

/// Numbers of a step's report: 64 bytes.
pub(crate) const REPORT_LEN: u64 = 16;

/// Numbers that a step is told: `Numbers` of `numbers.wgsl`, in whole vectors.
pub(crate) const NUMBERS_LEN: u64 = 20;

impl Objective {
    fn rows(&self) -> u64 {
        product(&[self.steps as u64, self.batch as u64])
    }

    /// Plans the head and the loss.
    pub fn plan(&self, limits: &Limits) -> Result<Plan> {
        let title = format!("a head of {} outputs and {}", self.head.outputs, self.loss.name());
        let mut buffers = PlanBuffers::new(&title, limits);
        let (head, rows) = (&self.head, self.rows());
        let stride = FOUR * head.columns();
        let pooled = self.pooling.map(|pooling| Pooled::new(self, pooling, &mut buffers)).transpose()?;
        let (features, by_features) = match &pooled {
            Some(pooled) => (pooled.pooled, pooled.by_pooled),
            None => {
                let mut given = |given| buffers.given(given, product(&[rows, self.row]));
                (given(Given::Features)?, given(Given::ByFeatures)?)
            }
        };
        let packed = HeadWeights::new(head, &mut buffers)?;
        let by_head = buffers.given(Given::HeadGradients, head.len() as u64)?;
        let report = buffers.given(Given::Report, REPORT_LEN)?;
        let predictions = buffers.work("predictions", product(&[rows, stride]), Dtype::F32)?;
        let losses = self.loss.buffers(self, &mut buffers)?;
        let outer = Outer {
            a: Columns { buffer: predictions, offset: 0, stride: head.columns(), width: head.columns() },
            b: Columns {
                buffer: features,
                offset: self.first / FOUR,
                stride: self.row / FOUR,
                width: head.depth(),
            },
            rows,
            chunk: CHUNK,
        };
        let most = outer.parts(limits).map(|part| part.count()).max().unwrap_or(0);
        let partial = buffers.work("partial sums", product(&[most, outer.len()]), Dtype::F32)?;

        let maker = Maker { buffers: &buffers, dtype: Dtype::F32, tuning: Tuning::default() };
        let forward = Gemm {
            sources: vec![Source::part(features, self.first / FOUR, head.depth(), self.row / FOUR)],
            weight: packed.weight,
            depth: None,
            weight_offset: 0,
            adds: false,
            bias: Some(packed.bias),
            into: Target::whole(predictions),
            rows,
            columns: head.columns(),
            directions: 1,
            segment: None,
        };
        let mut walk = Walk::new();
        if let Some(pooled) = &pooled {
            walk.once("pool".into(), vec![pooled.forward(self, maker)?]);
        }
        walk.once("head".into(), forward.dispatches(maker)?);
        let mut dispatches = self.loss.dispatches(self, maker, predictions, &losses)?;
        dispatches.push(self.total(maker, &losses, report)?);
        walk.once("loss".into(), dispatches);
        let back = Gemm {
            sources: vec![Source::whole(predictions, 0, head.columns())],
            weight: packed.weight_back,
            bias: None,
            into: Target { buffer: by_features, part: Some((self.first / FOUR, self.row / FOUR)) },
            columns: head.depth(),
            ..forward
        };
        let mut dispatches = back.dispatches(maker)?;
        for (index, part) in outer.parts(limits).enumerate() {
            dispatches.push(part.dispatch(maker, partial)?);
            let adds = self.adds || index > 0;
            dispatches.extend(self.reductions(maker, &part, (partial, by_head), adds)?);
        }
        walk.once("head back".into(), dispatches);
        if let Some(pooled) = &pooled {
            walk.once("pool back".into(), vec![pooled.backward(self, maker)?]);
        }
        let forward = Way { uploads: Vec::new(), submits: walk.submits, downloads: Vec::new() };
        let (schedule, buffers) = (Schedule::Stepwise, buffers.finish());
        Ok(Plan { title, schedule, steps: 0, buffers, forward, backward: None, saved: None, limits: *limits })
    }

    fn total(&self, maker: Maker<'_>, losses: &loss::Losses, report: BufferId) -> Result<Dispatch> {
        let dims = Dims::Total(TotalDims { rows: losses.count as u32, adds: u32::from(self.adds) });
        let arrays = [("rows", losses.rows.into()), ("report", report.into())];
        maker.dispatch(Kernel::Total, Tile::ALL[0], (1, 1), dims, &arrays)
    }

    /// The sums of partial sums: the gradients by the weight, part by part, and by the bias.
    fn reductions(
        &self,
        maker: Maker<'_>,
        outer: &Outer,
        (partial, by_head): (BufferId, BufferId),
        adds: bool,
    ) -> Result<Vec<Dispatch>> {
        let head = &self.head;
        let columns = |start: usize, offset: u64, columns: usize, width: usize| {
            let len = (head.outputs * columns) as u64;
            let dims = Dims::Reduce(ReduceDims {
                len: len as u32,
                columns: columns as u32,
                width: width as u32,
                units: head.outputs as u32,
                start: start as u32,
                offset: offset as u32,
                count: outer.count() as u32,
                stride: outer.len() as u32,
                unit_stride: outer.row() as u32,
                gate_stride: 0,
                gates: 0,
                first_row: 0,
                adds: u32::from(adds),
            });
            let arrays: [(&str, Binding); 2] = [("partial", partial.into()), ("flat", by_head.into())];
            let size = (len.div_ceil(u64::from(WORKGROUP)), 1);
            maker.dispatch(Kernel::Reduce, Tile::ALL[0], size, dims, &arrays)
        };
        let weight = (0..head.parts)
            .map(|part| columns(part * head.part, part as u64 * head.part_row, head.part, head.features()));
        weight.chain([columns(head.bias(), outer.sum_column(), 1, 1)]).collect()
    }
}

/// The head's parameters as products read them.
struct HeadWeights {
    weight: Weight,
    bias: Weight,
    weight_back: Weight,
}

impl HeadWeights {
    fn new(head: &LinearHead, buffers: &mut PlanBuffers<'_>) -> Result<HeadWeights> {
        let mut whole = |given: Given, len: u64| -> Result<Weight> {
            let buffer = buffers.given(given, len)?;
            Ok(Weight { binding: buffer.into(), direction: len })
        };
        let weight = whole(Given::HeadWeight, blocks(head.columns(), head.depth(), FOUR))?;
        let bias = whole(Given::HeadBias, FOUR * head.columns())?;
        let weight_back = whole(Given::HeadWeightBack, blocks(head.depth(), head.columns(), FOUR))?;
        Ok(HeadWeights { weight, bias, weight_back })
    }
}

/// The packing of a head's flat parameters.
pub(super) fn pack(
    head: &LinearHead,
    buffers: &mut PlanBuffers<'_>,
    flat: BufferId,
) -> Result<Vec<Dispatch>> {
    let arrays = HeadWeights::new(head, buffers)?;
    let maker = Maker { buffers, dtype: Dtype::F32, tuning: Tuning::default() };
    let matrix = Packed::rows(head.outputs, 1, head.part);
    let rows = |start, packed: Packed, into: &Weight, width| {
        packed.dispatch(maker, (flat.into(), start), into.binding, (0, head.outputs, width))
    };
    let mut weight = matrix.in_fours();
    weight.dims.depth = head.depth() as u32;
    let back = matrix.in_fours().transposed(1, GATES_IN_ORDER, (0, head.columns()));
    let bias = Packed::rows(head.outputs, 1, 1).numbers();
    Ok(vec![
        rows(0, weight, &arrays.weight, head.features())?,
        rows(head.bias(), bias, &arrays.bias, 1)?,
        rows(0, back, &arrays.weight_back, head.features())?,
    ])
}
