//! The kernels of losses.

use super::{NUMBERS_LEN, Objective};
use crate::Result;
use crate::kernel::{Ctc, Kernel, Tile, WORKGROUP};
use crate::network::Dtype;
use crate::plan::buffers::{BufferId, Given, PlanBuffers};
use crate::plan::dims::{CrossEntropyDims, CtcDims, Dims, ElementwiseDims};
use crate::plan::dispatch::Dispatch;
use crate::plan::maker::Maker;
use crate::plan::{FOUR, product};

/// A loss as kernels compute it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum PlannedLoss {
    CrossEntropy { mean_weight: f32, smoothing: f32 },
    Binary,
    Squared,
    Huber { delta: f32 },
    Ctc { blank: u32, labels: usize, zero_infinity: bool },
}

/// The buffers of a loss.
pub(super) struct Losses {
    targets: BufferId,
    weights: BufferId,
    numbers: BufferId,
    pub rows: BufferId,
    /// Rows of losses.
    pub count: u64,
    /// The paths of connectionist temporal classification.
    paths: Option<BufferId>,
}

impl PlannedLoss {
    pub fn name(self) -> &'static str {
        match self {
            PlannedLoss::CrossEntropy { .. } => "cross-entropy",
            PlannedLoss::Binary => "binary cross-entropy",
            PlannedLoss::Squared => "squared error",
            PlannedLoss::Huber { .. } => "Huber's error",
            PlannedLoss::Ctc { .. } => "connectionist temporal classification",
        }
    }

    /// Numbers of the targets of so many rows.
    pub fn targets(self, steps: usize, batch: usize, outputs: usize) -> u64 {
        let rows = product(&[steps as u64, batch as u64]);
        match self {
            PlannedLoss::CrossEntropy { .. } => rows,
            PlannedLoss::Ctc { labels, .. } => product(&[batch as u64, labels as u64 + 2]),
            _ => product(&[rows, outputs as u64 + 1]),
        }
    }

    pub(super) fn buffers(self, of: &Objective, buffers: &mut PlanBuffers<'_>) -> Result<Losses> {
        let len = self.targets(of.steps, of.batch, of.head.outputs);
        let targets = buffers.given(Given::Targets, len)?;
        let weights = buffers.given(Given::ClassWeights, of.head.outputs as u64)?;
        let numbers = buffers.given(Given::Numbers, NUMBERS_LEN)?;
        let (count, paths) = match self {
            PlannedLoss::Ctc { labels, .. } => {
                let states = 2 * labels as u64 + 1;
                let len = product(&[2, of.rows(), states]).saturating_add(of.batch as u64);
                (of.batch as u64, Some(buffers.work("paths", len, Dtype::F32)?))
            }
            _ => (of.rows(), None),
        };
        let rows = buffers.work("losses", product(&[2, count]), Dtype::F32)?;
        Ok(Losses { targets, weights, numbers, rows, count, paths })
    }

    pub(super) fn dispatches(
        self,
        of: &Objective,
        maker: Maker<'_>,
        predictions: BufferId,
        buffers: &Losses,
    ) -> Result<Vec<Dispatch>> {
        let stride = (FOUR * of.head.columns()) as u32;
        let rows = of.rows() as u32;
        let (kernel, dims, kind) = match self {
            PlannedLoss::CrossEntropy { mean_weight, smoothing } => {
                let classes = of.head.outputs as u32;
                let [mean_weight, smoothing] = [mean_weight, smoothing].map(f32::to_bits);
                let dims = CrossEntropyDims { rows, classes, stride, mean_weight, smoothing };
                (Kernel::CrossEntropy, Dims::CrossEntropy(dims), 0)
            }
            PlannedLoss::Binary => (Kernel::Elementwise, elementwise(of, stride, 0.0), 0),
            PlannedLoss::Squared => (Kernel::Elementwise, elementwise(of, stride, 0.0), 1),
            PlannedLoss::Huber { delta } => (Kernel::Elementwise, elementwise(of, stride, delta), 2),
            PlannedLoss::Ctc { .. } => return self.ctc(of, maker, predictions, buffers),
        };
        let arrays = [
            ("predictions", predictions.into()),
            ("targets", buffers.targets.into()),
            ("class_weights", buffers.weights.into()),
            ("numbers", buffers.numbers.into()),
            ("rows", buffers.rows.into()),
        ];
        let tile = Tile::ALL[0];
        let mut dispatch = maker.dispatch(kernel, tile, (groups(of.rows()), 1), dims, &arrays)?;
        dispatch.overrides = kernel.overrides(tile, vec![("KIND", f64::from(kind))]);
        Ok(vec![dispatch])
    }

    fn ctc(
        self,
        of: &Objective,
        maker: Maker<'_>,
        predictions: BufferId,
        buffers: &Losses,
    ) -> Result<Vec<Dispatch>> {
        let PlannedLoss::Ctc { blank, labels, zero_infinity } = self else { return Ok(Vec::new()) };
        let stride = FOUR * of.head.columns();
        let dims = Dims::Ctc(CtcDims {
            steps: of.steps as u32,
            batch: of.batch as u32,
            classes: of.head.outputs as u32,
            stride: stride as u32,
            labels: labels as u32,
            states: 2 * labels as u32 + 1,
            blank,
            zero_infinity: u32::from(zero_infinity),
        });
        let paths = buffers.paths.expect("a loss of paths has some");
        let arrays = [
            ("predictions", predictions.into()),
            ("targets", buffers.targets.into()),
            ("numbers", buffers.numbers.into()),
            ("paths", paths.into()),
            ("rows", buffers.rows.into()),
        ];
        let sizes = [
            (Ctc::Logs, groups(of.rows())),
            (Ctc::Paths, of.batch as u64),
            (Ctc::Gradient, groups(product(&[of.rows(), stride]))),
        ];
        let made = sizes
            .map(|(phase, rows)| maker.dispatch(Kernel::Ctc(phase), Tile::ALL[0], (rows, 1), dims, &arrays));
        made.into_iter().collect()
    }
}

fn elementwise(of: &Objective, stride: u32, delta: f32) -> Dims {
    let (rows, columns) = (of.rows() as u32, of.head.outputs as u32);
    Dims::Elementwise(ElementwiseDims { rows, columns, stride, delta: delta.to_bits() })
}

fn groups(rows: u64) -> u64 {
    rows.div_ceil(u64::from(WORKGROUP))
}
