//! Plans of training steps to look at, for the tests of kernels.

use super::{LinearHead, Objective, PlannedLoss, Pooling};
use crate::Result;
use crate::plan::{Limits, Plan, Update};

/// A plan of each loss, each pooling and each optimiser, for a head on two directions of five units.
pub(crate) fn training_plans(limits: &Limits) -> Result<Vec<Plan>> {
    let head = LinearHead { outputs: 3, part: 5, parts: 2, part_row: 8 };
    let losses = [
        PlannedLoss::CrossEntropy { mean_weight: 1.0, smoothing: 0.1 },
        PlannedLoss::Binary,
        PlannedLoss::Squared,
        PlannedLoss::Huber { delta: 1.0 },
        PlannedLoss::Ctc { blank: 0, labels: 4, zero_infinity: false },
    ];
    let of = |loss, pooling: Option<Pooling>| {
        let steps = if pooling.is_some() { 1 } else { 7 };
        Objective { head, loss, steps, batch: 3, row: head.row(), first: 0, pooling, adds: false }
    };
    let mut plans: Vec<Plan> =
        losses.into_iter().map(|loss| of(loss, None).plan(limits)).collect::<Result<_>>()?;
    for is_maximum in [false, true] {
        plans.push(of(losses[0], Some(Pooling { steps: 7, is_maximum })).plan(limits)?);
    }
    for (rule, states) in [(0, 1), (1, 3), (2, 3)] {
        plans.push(Update { head, flats: vec![8192], rule, states }.plan(limits)?);
    }
    Ok(plans)
}
