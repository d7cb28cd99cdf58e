//! Makes the dispatches of a plan, over its buffers.

use super::buffers::{Binding, BufferId, PlanBuffers};
use super::dims::Dims;
use super::dispatch::Dispatch;
use super::{Limits, Tuning};
use crate::Result;
use crate::kernel::{Kernel, Tile};
use crate::network::Dtype;

/// All that products of any operation need to know of a plan.
#[derive(Clone, Copy)]
pub(super) struct Maker<'a> {
    pub buffers: &'a PlanBuffers<'a>,
    /// The type that arrays are stored as.
    pub dtype: Dtype,
    pub tuning: Tuning,
}

impl<'a> Maker<'a> {
    pub fn limits(&self) -> &'a Limits {
        self.buffers.limits()
    }

    /// A dispatch over rows and columns, which a kernel without tiles counts in workgroups; of arrays that are
    /// stored as the plan's type.
    pub fn dispatch(
        &self,
        kernel: Kernel,
        tile: Tile,
        size: (u64, u64),
        dims: Dims,
        arrays: &[(&str, Binding)],
    ) -> Result<Dispatch> {
        Dispatch::over(kernel, tile, self.dtype, size, dims, arrays, self.buffers)
    }

    /// The same of arrays that are stored as the type of one of them: of gradients, f32.
    pub fn dispatch_as(
        &self,
        stored: BufferId,
        kernel: Kernel,
        tile: Tile,
        size: (u64, u64),
        dims: Dims,
        arrays: &[(&str, Binding)],
    ) -> Result<Dispatch> {
        let dtype = self.buffers.get(stored).dtype;
        Dispatch::over(kernel, tile, dtype, size, dims, arrays, self.buffers)
    }
}
