//! Dispatches and passes, and the sizes that kernels are told.

use super::buffers::{Binding, BufferId, PlanBuffers};
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
            Kernel::Gemm | Kernel::Step(_) => (columns.div_ceil(u64::from(tile.columns())), tiles),
            // All columns in one workgroup.
            Kernel::Sequence(_) => (1, tiles),
            Kernel::Norm | Kernel::Combine | Kernel::Carry { .. } | Kernel::Pack => (columns, rows),
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

/// The sizes that a kernel is told, as its `Dims` in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dims {
    /// The sizes of [`Kernel::Gemm`].
    Gemm(GemmDims),
    /// The sizes of [`Kernel::Step`] and [`Kernel::Sequence`].
    Step(StepDims),
    /// The sizes of [`Kernel::Norm`].
    Norm(NormDims),
    /// The size of [`Kernel::Combine`]: the length in vectors of four.
    Combine(u32),
    /// The sizes of [`Kernel::Carry`].
    Carry(CarryDims),
    /// The sizes of [`Kernel::Pack`].
    Pack(PackDims),
}

/// `Dims` of `gemm.wgsl`; all lengths but `rows` in vectors of four.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct GemmDims {
    /// M = T·N.
    pub rows: u32,
    /// C, of all directions.
    pub columns: u32,
    /// K of this piece.
    pub depth: u32,
    /// K of all pieces.
    pub whole_depth: u32,
    /// The place in the source where the piece begins.
    pub source_offset: u32,
    /// Row length of the source.
    pub source_stride: u32,
    /// The place in the weights' K where the piece begins.
    pub weight_offset: u32,
    /// 1 if it adds to earlier pieces.
    pub adds: u32,
    /// C of one direction.
    pub direction_columns: u32,
    /// The length of one direction's weights, in 4 columns by 4 k.
    pub direction_weight: u32,
    /// The length of one direction's biases.
    pub direction_bias: u32,
}

/// `Dims` of `step.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct StepDims {
    /// N.
    pub batch: u32,
    /// Units that it computes: H, or P of a projection.
    pub units: u32,
    /// K, in vectors of four.
    pub depth: u32,
    /// Row length of the input's gates, counted in units.
    pub input_stride: u32,
    /// The place in such a row where this direction begins, in units.
    pub input_offset: u32,
    /// Row length of `a_next` and `output`.
    pub stride: u32,
    /// The place in the output where the cell states of all steps begin.
    pub cells: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
    /// The length of one direction's part of the input's gates in a row, in units.
    pub direction_input: u32,
    /// The length of one direction's weights, in G gates by 4 k.
    pub direction_weight: u32,
    /// The length of one direction's parameters, in units.
    pub direction_parameters: u32,
    /// The length of one direction's output.
    pub direction_output: u32,
}

/// `Dims` of `norm.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct NormDims {
    /// N.
    pub batch: u32,
    /// H.
    pub units: u32,
    /// Row length of the input's gates, counted in units.
    pub input_stride: u32,
    /// The place in such a row where this direction begins, in units.
    pub input_offset: u32,
    /// Row length of the recurrent product, counted in units.
    pub sums_stride: u32,
    /// Row length of `a_next` and `output`.
    pub stride: u32,
    /// The place in the output where the cell states of all steps begin.
    pub cells: u32,
    /// The time step that t = 0 stands for.
    pub first_step: u32,
}

/// `Dims` of `carry.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct CarryDims {
    /// A·B.
    pub rows: u32,
    /// B.
    pub batch: u32,
    /// Numbers of a row that are written.
    pub width: u32,
    /// Numbers of a row that the source has; the others are zero.
    pub used: u32,
    /// The first number of the source.
    pub from_offset: u32,
    /// The source's stride of A.
    pub from_step: u32,
    /// The source's stride of B.
    pub from_row: u32,
    /// The first number of the target.
    pub to_offset: u32,
    /// The target's stride of A.
    pub to_step: u32,
    /// The target's stride of B.
    pub to_row: u32,
}

/// `Dims` of `pack.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
pub struct PackDims {
    /// Rows.
    pub rows: u32,
    /// The place of the first row in the flat parameters.
    pub start: u32,
    /// Rows of the tensor before the first row that is packed.
    pub first_row: u32,
    /// The length of a row of the tensor.
    pub width: u32,
    /// The length of each source of a row.
    pub source: u32,
    /// The length of each source in vectors.
    pub source_depth: u32,
    /// The length of a packed row in vectors.
    pub depth: u32,
    /// The logarithm of the numbers in a vector: four of a matrix, one of a bias.
    pub vector_bits: u32,
    /// Invocations per row of a workgroup.
    pub lanes: u32,
    /// H: rows of a gate.
    pub units: u32,
    /// Gates: row blocks of the tensor.
    pub gates: u32,
    /// Columns that stand side by side.
    pub group: u32,
    /// Vectors from one group to the next.
    pub stride: u32,
    /// Vectors of a group before the tensor's first vector.
    pub offset: u32,
}

impl Dims {
    /// The sizes as the GPU sees them.
    pub fn bytes(&self) -> &[u8] {
        match self {
            Dims::Gemm(dims) => bytemuck::bytes_of(dims),
            Dims::Step(dims) => bytemuck::bytes_of(dims),
            Dims::Norm(dims) => bytemuck::bytes_of(dims),
            Dims::Combine(len) => bytemuck::bytes_of(len),
            Dims::Carry(dims) => bytemuck::bytes_of(dims),
            Dims::Pack(dims) => bytemuck::bytes_of(dims),
        }
    }
}
