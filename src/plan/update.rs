//! The end of a training step: the norm of all gradients, the optimiser, and the packing of the head's
//! weights.

use super::buffers::{Binding, BufferId, Given, PlanBuffers};
use super::dims::{Dims, NormOfAllDims, SquaresDims, UpdateDims};
use super::maker::Maker;
use super::objective::{self, LinearHead, NUMBERS_LEN, REPORT_LEN};
use super::walk::Walk;
use super::{FOUR, Limits, Plan, Schedule, Tuning, Way};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::Dtype;

/// Vectors of a block whose squares are added: `BLOCK_LEN` of `squares.wgsl`.
const BLOCK: u64 = 1024;

/// Vectors that a workgroup updates: `TURNS` of each invocation of `update.wgsl`.
const UPDATED: u64 = 4 * WORKGROUP as u64;

/// Numbers of an array that is not used: 256 bytes, the largest alignment that WebGPU asks for.
const UNUSED: u32 = 64;

/// The update of all parameters.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Update {
    pub head: LinearHead,
    /// Numbers of each array of the network's flat parameters.
    pub flats: Vec<u64>,
    /// The optimiser: `RULE` of `update.wgsl`.
    pub rule: u32,
    /// Its arrays beside the parameters.
    pub states: usize,
}

impl Update {
    /// Plans the update.
    pub fn plan(&self, limits: &Limits) -> Result<Plan> {
        let title = "an update of parameters";
        let mut buffers = PlanBuffers::new(title, limits);
        // In vectors.
        let all = self.flats.iter().copied().chain([self.head.len() as u64]);
        let lens: Vec<u64> = all.map(|len| len.div_ceil(FOUR)).collect();
        let numbers = buffers.given(Given::Numbers, NUMBERS_LEN)?;
        let report = buffers.given(Given::Report, REPORT_LEN)?;
        let blocks = || lens.iter().map(|len| len.div_ceil(BLOCK));
        let sums = buffers.work("sums of squares", blocks().sum(), Dtype::F32)?;
        let unused = buffers.work("unused", 3 * u64::from(UNUSED), Dtype::F32)?;
        let mut flats = Vec::new();
        for (index, &len) in lens.iter().enumerate() {
            let mut given = |given| buffers.given(given, FOUR * len);
            let is_head = index + 1 == lens.len();
            let gradients = if is_head { Given::HeadGradients } else { Given::Gradients(index) };
            let (parameters, gradients) = (given(Given::Parameters(index))?, given(gradients)?);
            let states: Vec<BufferId> =
                (0..self.states).map(|which| given(Given::State(index, which))).collect::<Result<_>>()?;
            flats.push((parameters, gradients, states));
        }
        let maker = Maker { buffers: &buffers, dtype: Dtype::F32, tuning: Tuning::default() };
        let tile = Tile::ALL[0];
        let mut dispatches = Vec::new();
        let mut first = 0;
        for ((_, gradients, _), (&len, blocks)) in flats.iter().zip(lens.iter().zip(blocks())) {
            let dims = Dims::Squares(SquaresDims { len: len as u32, first: first as u32 });
            let arrays = [("flat", (*gradients).into()), ("sums", sums.into())];
            dispatches.push(maker.dispatch(Kernel::Squares, tile, (blocks, 1), dims, &arrays)?);
            first += blocks;
        }
        let dims = Dims::NormOfAll(NormOfAllDims { count: first as u32 });
        let arrays = [("sums", sums.into()), ("numbers", numbers.into()), ("report", report.into())];
        dispatches.push(maker.dispatch(Kernel::NormOfAll, tile, (1, 1), dims, &arrays)?);
        let mut walk = Walk::new();
        walk.once("norm".into(), dispatches);

        let mut dispatches = Vec::new();
        for ((parameters, gradients, states), &len) in flats.iter().zip(&lens) {
            // Arrays that a rule does not have are parts of one buffer, since no two may overlap.
            let state = |which: usize| match states.get(which) {
                Some(&state) => state.into(),
                None => {
                    let bytes = 4 * u64::from(UNUSED);
                    Binding { buffer: unused, range: Some((which as u64 * bytes, bytes)) }
                }
            };
            let arrays = [
                ("parameters", (*parameters).into()),
                ("gradients", (*gradients).into()),
                ("first", state(0)),
                ("second", state(1)),
                ("third", state(2)),
                ("numbers", numbers.into()),
                ("report", report.into()),
            ];
            let dims = Dims::Update(UpdateDims { len: len as u32 });
            let size = (len.div_ceil(UPDATED), 1);
            let mut dispatch = maker.dispatch(Kernel::Update, tile, size, dims, &arrays)?;
            dispatch.overrides = Kernel::Update.overrides(tile, vec![("RULE", f64::from(self.rule))]);
            dispatches.push(dispatch);
        }
        walk.once("update".into(), dispatches);
        let head = flats.last().expect("the head is the last").0;
        let dispatches = objective::pack(&self.head, &mut buffers, head)?;
        walk.once("head pack".into(), dispatches);
        let forward = Way { uploads: Vec::new(), submits: walk.submits, downloads: Vec::new() };
        let (schedule, buffers) = (Schedule::Stepwise, buffers.finish());
        let title = title.into();
        Ok(Plan { title, schedule, steps: 0, buffers, forward, backward: None, saved: None, limits: *limits })
    }
}
