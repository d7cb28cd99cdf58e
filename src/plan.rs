//! The plan of a call as a value: every buffer, pass and dispatch, before any GPU is used.
//!
//! [`builder`] makes it: `cut` finds the segments of time, `schedule` chooses the schedule, `arrays` makes
//! the buffers, and each operation of `ops` records its dispatches, with `steps` (the phases of a time step),
//! `gemm`, `weights` and `tiles`, through `walk`, which cuts them into passes and submits; `transfers` brings
//! input in and results out; `show` prints it all. `pack` makes another plan, of the weights that all of a
//! network's calls read.

mod arrays;
mod back_product;
mod buffers;
mod builder;
mod cost;
mod cut;
mod dims;
mod dispatch;
mod flat;
mod gates;
mod gemm;
mod gradient_arrays;
mod limits;
mod maker;
mod objective;
mod ops;
mod outer;
mod pack;
mod schedule;
mod show;
mod steps;
mod tiles;
mod transfers;
mod update;
mod walk;
mod weights;
mod workload;

pub use buffers::{Binding, Buffer, BufferId, Content, Given};
pub use cost::{Bound, Estimate, Machine, Shape};
pub use dims::{
    AgainDims, BackDims, CarryDims, CombineDims, CrossEntropyDims, CtcDims, Dims, DropDims, ElementwiseDims,
    GemmDims, NormDims, NormOfAllDims, OuterDims, PackDims, PoolDims, ReduceDims, SquaresDims, StepDims,
    TotalDims, UpdateDims,
};
pub use dispatch::{Dispatch, Gives, Pass};
pub use limits::Limits;
pub(crate) use objective::training_plans;
pub(crate) use objective::{LinearHead, NUMBERS_LEN, Objective, PlannedLoss, Pooling, REPORT_LEN};
pub(crate) use pack::Packing;
pub use schedule::Schedule;
pub use transfers::{Payload, Transfer};
pub(crate) use update::Update;
pub use walk::{Segment, Step, Times};
pub use weights::{KernelWeight, WeightPart};
pub use workload::{Tuning, Workload};

use crate::kernel::VECTOR;
use crate::network::{Dtype, Network, Save};
use crate::{Config, Result};

/// Numbers in a vector.
const FOUR: u64 = VECTOR as u64;

/// Everything that one call does, for one network and workload.
///
/// ```
/// use wgpu_rnn::{Config, Limits, Plan};
///
/// let config = Config::lstm(128).bidirectional().input_size(64);
/// let plan = Plan::new(&config, 100, 16, &Limits::default())?;
/// assert_eq!(plan.dispatches(), 1 + 100); // one input product, one dispatch per step
/// println!("{plan}");
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The network and the size of the call, in words.
    pub title: String,
    /// The schedule: the way that time steps become dispatches. Without meaning for a plan without time
    /// steps.
    pub schedule: Schedule,
    /// T; 0 for the plan of a packing.
    pub steps: u64,
    /// Every buffer; a [`BufferId`] is an index into it.
    #[doc(hidden)]
    pub buffers: Vec<Buffer>,
    /// The call itself.
    #[doc(hidden)]
    pub forward: Way,
    /// The backward pass of a saved call, with the same buffers.
    #[doc(hidden)]
    pub backward: Option<Way>,
    /// The bytes that the call keeps for its backward pass, and would keep by the other saving; none of a
    /// call that is not saved.
    pub saved: Option<SavedBytes>,
    /// The limits and speeds of the adapter.
    limits: Limits,
}

/// Bytes that a call keeps for its backward pass, by each [`Save`](crate::Save).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SavedBytes {
    /// By [`Save::Gates`](crate::Save::Gates).
    pub gates: u64,
    /// By [`Save::States`](crate::Save::States).
    pub states: u64,
}

/// All that is done at once, between two visits of the host.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Way {
    /// From upload buffers to the arrays of the arguments; before all passes.
    pub uploads: Vec<Transfer>,
    /// The passes, by submit: long sequences are cut so that no driver's watchdog fires.
    pub submits: Vec<Vec<Pass>>,
    /// From the arrays of results to download buffers; after all passes.
    pub downloads: Vec<Transfer>,
}

impl Way {
    /// All passes, over all submits.
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.submits.iter().flatten()
    }
}

impl Plan {
    /// Plans a call of a network, whose input size is known, on T steps of a batch of N.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for settings that no network can have,
    /// [`Error::Argument`](crate::Error::Argument) for an input size, T or N of 0 or an output that the
    /// network does not have, [`Error::Unsupported`](crate::Error::Unsupported) for a schedule, tile or dtype
    /// that the network or the adapter cannot have, [`Error::TooLarge`](crate::Error::TooLarge) for a call
    /// that the adapter cannot hold.
    pub fn new(config: &Config, steps: usize, batch: usize, limits: &Limits) -> Result<Plan> {
        Plan::of(config, &Workload::new(steps, batch), limits)
    }

    /// The same as [`new`](Plan::new), for any workload: with lengths, other outputs, f16, a schedule or
    /// tiles by name.
    ///
    /// # Errors
    /// The errors of [`new`](Plan::new).
    pub fn of(config: &Config, workload: &Workload, limits: &Limits) -> Result<Plan> {
        Plan::of_network(&config.check()?, workload, limits)
    }

    /// Plans the packing of a network's weights: from the flat parameters, in PyTorch's order, into the
    /// arrays that kernels read. The packing is done before the first call of a network, and again after its
    /// weights were set; all calls of the network share the packed weights.
    ///
    /// ```
    /// use wgpu_rnn::{Config, Dtype, Limits, Plan};
    ///
    /// let config = Config::lstm(128).bidirectional().input_size(64);
    /// let plan = Plan::packing(&config, Dtype::F32, &Limits::default())?;
    /// assert_eq!(plan.dispatches(), 2 * 4); // two weights and two biases per direction
    /// # Ok::<(), wgpu_rnn::Error>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`new`](Plan::new).
    pub fn packing(config: &Config, dtype: Dtype, limits: &Limits) -> Result<Plan> {
        Plan::packing_of(&config.check()?, dtype, limits, Packing::Calls)
    }

    /// The same as [`packing`](Plan::packing), of the weights that only saved calls and their backward passes
    /// read: packed before the network's first saved call.
    ///
    /// # Errors
    /// The errors of [`new`](Plan::new).
    pub fn packing_for_gradients(config: &Config, dtype: Dtype, limits: &Limits) -> Result<Plan> {
        Plan::packing_of(&config.check()?, dtype, limits, Packing::SavedCalls)
    }

    /// The same as [`packing`](Plan::packing), of the weights that training steps read: packed after every
    /// update.
    ///
    /// # Errors
    /// The errors of [`new`](Plan::new).
    pub fn packing_for_training(config: &Config, dtype: Dtype, limits: &Limits, save: Save) -> Result<Plan> {
        Plan::packing_of(&config.check()?, dtype, limits, Packing::Training(save))
    }

    /// A packing of a network that was checked.
    pub(crate) fn packing_of(
        network: &Network,
        dtype: Dtype,
        limits: &Limits,
        packing: Packing,
    ) -> Result<Plan> {
        pack::plan(network, dtype, limits, packing)
    }

    /// The same as [`of`](Plan::of), of a network that was checked.
    pub(crate) fn of_network(network: &Network, workload: &Workload, limits: &Limits) -> Result<Plan> {
        builder::build(network, workload, limits)
    }
}

/// # Counts
impl Plan {
    /// The call, and its backward pass if it is saved.
    #[doc(hidden)]
    pub fn ways(&self) -> impl Iterator<Item = &Way> {
        [Some(&self.forward), self.backward.as_ref()].into_iter().flatten()
    }

    /// All passes, over all submits, of the call and of its backward pass.
    #[doc(hidden)]
    pub fn passes(&self) -> impl Iterator<Item = &Pass> {
        self.ways().flat_map(Way::passes)
    }

    /// Bytes that a saved call keeps for its backward pass.
    fn kept_bytes(&self) -> u64 {
        let saved = self.buffers.iter().filter(|buffer| buffer.content == Content::Saved);
        saved.map(Buffer::bytes).fold(0, u64::saturating_add)
    }

    /// Dispatches of the whole call, and of its backward pass, if all sequences have T steps.
    pub fn dispatches(&self) -> u64 {
        self.passes().map(Pass::count).sum()
    }

    /// Floating-point operations of all products.
    pub fn flops(&self) -> u64 {
        let of_pass = |pass: &Pass| pass.dispatches.iter().map(|of| of.flops).fold(0, u64::saturating_add);
        self.passes().map(|pass| pass.steps().saturating_mul(of_pass(pass))).fold(0, u64::saturating_add)
    }

    /// The estimated time of one of a pass's dispatches, which is repeated or not.
    #[doc(hidden)]
    pub fn estimate(&self, pass: &Pass, dispatch: &Dispatch) -> Estimate {
        cost::of_dispatch(
            dispatch,
            pass.steps() / pass.repeats(),
            self.workgroups(dispatch, self.steps),
            &self.limits,
        )
    }

    /// The estimated time of all dispatches, those of the backward pass too, in seconds: by the adapter's
    /// [`Machine`](crate::Machine), without copies and the host's part.
    pub fn seconds(&self) -> f64 {
        let of_pass = |pass: &Pass| {
            let of_one = |dispatch| pass.repeats() as f64 * self.estimate(pass, dispatch).seconds;
            pass.dispatches.iter().map(of_one).sum::<f64>()
        };
        self.passes().map(of_pass).sum()
    }

    /// Bytes of all buffers, weights and staging included.
    pub fn buffer_bytes(&self) -> u64 {
        self.buffers.iter().map(Buffer::bytes).fold(0, u64::saturating_add)
    }

    /// The workgroups of a dispatch along x, y and z, where the longest sequence has `longest` steps.
    #[doc(hidden)]
    pub fn workgroups(&self, dispatch: &Dispatch, longest: u64) -> [u32; 3] {
        dispatch.workgroups(longest, u64::from(self.limits.max_workgroups.max(1)))
    }
}

/// A size in whole vectors of four.
pub(crate) fn padded(size: usize) -> u64 {
    (size as u64).div_ceil(FOUR).saturating_mul(FOUR)
}

/// A product of sizes; a product that cannot be counted becomes larger than any limit.
pub(crate) fn product(sizes: &[u64]) -> u64 {
    sizes.iter().fold(1, |product, &size| product.saturating_mul(size))
}
