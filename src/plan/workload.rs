//! The workload that a network is planned for.

use super::Schedule;
use crate::kernel::Tile;
use crate::network::{Dtype, Outputs, Save};

/// The size of a call, and everything that changes its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workload {
    /// T.
    pub steps: usize,
    /// N.
    pub batch: usize,
    /// Sequences have different lengths.
    pub has_lengths: bool,
    /// The numbers that are kept for a backward pass, which the plan then has too; none of a call that is not
    /// saved.
    pub saves: Option<Save>,
    /// Outputs are dropped between layers.
    pub drops: bool,
    /// The outputs that are given back beside the final states.
    pub outputs: Outputs,
    /// The type that weights, input, hidden states and outputs are stored as.
    pub dtype: Dtype,
    /// The choices that are not left to the plan.
    pub tuning: Tuning,
}

impl Workload {
    /// The call keeps states of every step for its backward pass.
    pub(crate) fn is_saved(&self) -> bool {
        self.saves.is_some()
    }

    /// The call keeps the pre-activations too.
    pub(crate) fn keeps_gates(&self) -> bool {
        self.saves == Some(Save::Gates)
    }

    /// T steps of a batch of N: sequences of one length, the default outputs, f32, all choices left to the
    /// plan.
    pub fn new(steps: usize, batch: usize) -> Workload {
        let (outputs, tuning) = (Outputs::default(), Tuning::default());
        Workload {
            steps,
            batch,
            has_lengths: false,
            saves: None,
            drops: false,
            outputs,
            dtype: Dtype::F32,
            tuning,
        }
    }
}

/// Choices that are made by the caller instead of the plan. [`Tuning::default`] leaves all to the plan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Tuning {
    /// The way that time steps become dispatches.
    pub schedule: Option<Schedule>,
    /// The tile of the input products.
    pub gemm: Option<Tile>,
    /// The tile of the time steps, forward and on the way back. A tile that keeps weights in registers is of
    /// sequences forward: the plan chooses the tiles of their way back. A tile with parts of K has K whole
    /// forward.
    pub step: Option<Tile>,
}

impl From<Option<Schedule>> for Tuning {
    fn from(schedule: Option<Schedule>) -> Tuning {
        Tuning { schedule, ..Tuning::default() }
    }
}

impl From<Schedule> for Tuning {
    fn from(schedule: Schedule) -> Tuning {
        Some(schedule).into()
    }
}
