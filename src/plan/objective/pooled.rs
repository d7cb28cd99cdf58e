//! The mean or the maximum of rows over time, and its gradient.

use super::{Objective, Pooling};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::Dtype;
use crate::plan::buffers::{BufferId, Given, PlanBuffers};
use crate::plan::dims::{Dims, PoolDims};
use crate::plan::dispatch::Dispatch;
use crate::plan::maker::Maker;
use crate::plan::product;

/// The buffers of a pooling.
pub(super) struct Pooled {
    pooling: Pooling,
    features: BufferId,
    by_features: BufferId,
    lengths: BufferId,
    pub pooled: BufferId,
    pub by_pooled: BufferId,
}

impl Pooled {
    pub fn new(of: &Objective, pooling: Pooling, buffers: &mut PlanBuffers<'_>) -> Result<Pooled> {
        let own = product(&[of.batch as u64, of.row]);
        let all = product(&[pooling.steps as u64, own]);
        Ok(Pooled {
            pooling,
            features: buffers.given(Given::Features, all)?,
            by_features: buffers.given(Given::ByFeatures, all)?,
            lengths: buffers.given(Given::Lengths, of.batch as u64)?,
            pooled: buffers.work("pooled", own, Dtype::F32)?,
            by_pooled: buffers.work("gradients by pooled", own, Dtype::F32)?,
        })
    }

    pub fn forward(&self, of: &Objective, maker: Maker<'_>) -> Result<Dispatch> {
        self.dispatch(of, maker, Kernel::Pool)
    }

    pub fn backward(&self, of: &Objective, maker: Maker<'_>) -> Result<Dispatch> {
        self.dispatch(of, maker, Kernel::PoolBack)
    }

    fn dispatch(&self, of: &Objective, maker: Maker<'_>, kernel: Kernel) -> Result<Dispatch> {
        let (steps, batch, width) = (self.pooling.steps as u32, of.batch as u32, of.row as u32);
        let dims = Dims::Pool(PoolDims { steps, batch, width });
        let arrays = [
            ("features", self.features.into()),
            ("lengths", self.lengths.into()),
            ("pooled", self.pooled.into()),
            ("by_pooled", self.by_pooled.into()),
            ("by_features", self.by_features.into()),
        ];
        let groups = product(&[of.batch as u64, of.row]).div_ceil(u64::from(WORKGROUP));
        let mut dispatch = maker.dispatch(kernel, Tile::ALL[0], (groups, 1), dims, &arrays)?;
        let is_maximum = f64::from(u8::from(self.pooling.is_maximum));
        dispatch.overrides = kernel.overrides(Tile::ALL[0], vec![("IS_MAXIMUM", is_maximum)]);
        Ok(dispatch)
    }
}
