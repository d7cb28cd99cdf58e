//! Dispatches and passes.

use super::buffers::{Binding, BufferId, PlanBuffers};
use super::cost::Shape;
use super::dims::Dims;
use super::product;
use super::walk::{Segment, Times};
use crate::kernel::{Kernel, Tile};
use crate::network::Dtype;
use crate::{Error, Result};
use std::sync::Arc;

/// A compute pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Pass {
    /// The label: the layer, and the operation or direction.
    pub label: String,
    /// The dispatches, in order; shared by the passes of one direction.
    pub dispatches: Arc<[Dispatch]>,
    /// The time steps that all dispatches are repeated for, each with its own index; none for a pass that
    /// runs once.
    pub times: Option<Times>,
    /// The gradients that the pass computes and no other pass needs.
    pub gives: Option<Gives>,
}

/// Gradients that may not be wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gives {
    /// By the input.
    Input,
    /// By the weights of a layer.
    Weights(usize),
}

/// One dispatch, or one dispatch per time step.
#[derive(Clone, Debug, PartialEq)]
pub struct Dispatch {
    /// The kernel.
    pub kernel: Kernel,
    /// Batch rows per invocation, of a product.
    pub tile: Tile,
    /// The type that its arrays are stored as.
    pub dtype: Dtype,
    /// The overrides: numbers that the host sets when it makes the pipeline.
    pub overrides: Vec<(&'static str, f64)>,
    /// Workgroups along the columns.
    pub columns: u64,
    /// Workgroups along the rows: their tiles, over all steps of the segment if there is one.
    pub tiles: u64,
    /// Directions that the dispatch computes at once, along z.
    pub directions: u64,
    /// The segment whose steps its rows are, N of each.
    pub segment: Option<Segment>,
    /// The kernel's storage buffers, from binding 1 on, as an even time step has them.
    pub bindings: Vec<Binding>,
    /// The storage buffers of an odd time step, where they differ: one step writes the array that the next
    /// step reads. Outside of time, the storage buffers after an odd number of steps.
    pub odd: Option<Vec<Binding>>,
    /// The kernel's sizes, binding 0.
    pub dims: Dims,
    /// Floating-point operations of the dispatch's products, per time step.
    pub flops: u64,
    /// The least bytes that the dispatch reads and writes, per time step.
    pub bytes: u64,
    /// The product, of a dispatch that has one.
    pub shape: Option<Shape>,
}

impl Pass {
    /// The number of times that each dispatch of the pass is dispatched.
    pub fn repeats(&self) -> u64 {
        self.times.map_or(1, |times| if times.at_once { 1 } else { times.count })
    }

    /// The time steps of the pass, each of which has the operations and bytes of the pass's dispatches; 1 for
    /// a pass outside of time.
    pub fn steps(&self) -> u64 {
        self.times.map_or(1, |times| times.count)
    }

    /// Dispatches, each time step counted.
    pub fn count(&self) -> u64 {
        self.repeats() * self.dispatches.len() as u64
    }
}

impl Dispatch {
    /// A dispatch over rows and columns, which a kernel without tiles counts in workgroups.
    pub(super) fn over(
        kernel: Kernel,
        tile: Tile,
        dtype: Dtype,
        (rows, columns): (u64, u64),
        dims: Dims,
        arrays: &[(&str, Binding)],
        buffers: &PlanBuffers<'_>,
    ) -> Result<Dispatch> {
        let tiles = rows.div_ceil(u64::from(tile.rows));
        let (columns, tiles) = match kernel {
            // All columns in one workgroup.
            _ if kernel.is_sequence() => (1, tiles),
            _ if kernel.has_tiles() => {
                let side_by_side = columns.div_ceil(u64::from(tile.columns(kernel.gates())));
                (product(&[side_by_side, u64::from(tile.parts())]), tiles)
            }
            _ => (columns, rows),
        };
        let limit = u64::from(buffers.limits().max_workgroups.max(1));
        // Tiles go along y, and along z where y is full.
        let needed = columns.max(tiles.div_ceil(limit));
        if needed > limit {
            let what = format!("a dispatch of {}", buffers.title());
            let (unit, holder) = ("workgroups per axis", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        Ok(Dispatch {
            kernel,
            tile,
            dtype,
            overrides: Vec::new(),
            columns,
            tiles,
            directions: 1,
            segment: None,
            bindings: kernel.bind(arrays),
            odd: None,
            dims,
            flops: 0,
            bytes: 0,
            shape: None,
        })
    }

    /// The buffer of an array that the kernel names.
    pub fn buffer(&self, array: &str) -> Option<BufferId> {
        let index = self.kernel.arrays().iter().position(|known| known.name == array)?;
        self.bindings.get(index).map(|binding| binding.buffer)
    }

    /// Workgroups along x, y and z, where the longest sequence has `longest` steps and an axis at most
    /// `max_workgroups` workgroups.
    pub(super) fn workgroups(&self, longest: u64, max_workgroups: u64) -> [u32; 3] {
        let tiles = match self.segment {
            Some(segment) => (self.tiles * segment.steps_within(longest)).div_ceil(segment.steps),
            None => self.tiles,
        };
        let y = tiles.min(max_workgroups);
        // All three were found to be within the limit when the dispatch was planned.
        [self.columns as u32, y as u32, (self.directions * tiles.div_ceil(y.max(1))) as u32]
    }
}
