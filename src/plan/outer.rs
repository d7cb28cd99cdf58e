//! Sums of outer products over time and batch: the gradients by weights, in partial sums that are added in
//! their order.

use super::buffers::{Binding, BufferId, binding_bytes};
use super::cost::Shape;
use super::dims::{Dims, OuterDims, ReduceDims};
use super::dispatch::Dispatch;
use super::flat::{Flat, row_of};
use super::maker::Maker;
use super::schedule::MAX_TURNS;
use super::{FOUR, Limits, product};
use crate::Result;
use crate::kernel::{Kernel, OUTER_EACH, OUTER_SHARED, OUTER_WORKGROUP, Tile, WORKGROUP};
use crate::network::Dtype;
use crate::weights::TensorKind;
use std::ops::Range;

/// Bytes of partial sums that are there at once, unless one alone is larger.
const PARTIAL_BYTES: u64 = 64 << 20;

/// Rows of numbers; lengths in vectors of four.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub buffer: BufferId,
    /// The place of the first row's first number.
    pub offset: u64,
    pub stride: u64,
    pub width: u64,
}

/// The sum over rows of the outer products of two operands.
#[derive(Clone, Copy)]
pub(super) struct Outer {
    /// Gradients by pre-activations.
    pub a: Columns,
    /// The operand of their product.
    pub b: Columns,
    pub rows: u64,
    /// Rows of a partial sum: the same on every adapter, so that no bit depends on tiles and sizes of bindings.
    pub chunk: u64,
}

impl Outer {
    /// Numbers of a partial sum: a column of four stands behind b, which sums a.
    pub fn len(&self) -> u64 {
        product(&[FOUR, self.a.width, self.row()])
    }

    /// Numbers of one row of a partial sum.
    pub fn row(&self) -> u64 {
        FOUR * (self.b.width + 1)
    }

    /// The place in a row of the sum of a.
    pub fn sum_column(&self) -> u64 {
        FOUR * self.b.width
    }

    /// The tile, and the vectors of each operand that a workgroup has.
    fn blocks(&self, limits: &Limits) -> (Tile, u64, u64) {
        match (limits.machine.is_software, limits.subgroup_size >= 8) {
            (true, true) => (OUTER_SHARED, 8, u64::from(WORKGROUP)),
            (true, false) => (OUTER_EACH, 16, 16),
            (false, _) => (OUTER_WORKGROUP, 16, 16),
        }
    }

    /// Partial sums.
    pub fn count(&self) -> u64 {
        self.rows.div_ceil(self.chunk)
    }

    /// Runs of rows whose partial sums are there at once, and fit into a binding.
    pub fn parts(&self, limits: &Limits) -> impl Iterator<Item = Outer> + use<> {
        let bytes = binding_bytes(limits, Dtype::F32).min(PARTIAL_BYTES);
        let fit = bytes / product(&[Dtype::F32.bytes(), self.len()]).max(1);
        let (whole, most) = (*self, fit.max(1).saturating_mul(self.chunk));
        (0..whole.rows.div_ceil(most)).map(move |index| {
            let first = index * most;
            let rows = (whole.rows - first).min(most);
            let [a, b] = [whole.a, whole.b]
                .map(|columns| Columns { offset: columns.offset + first * columns.stride, ..columns });
            Outer { a, b, rows, ..whole }
        })
    }

    pub fn dispatch(&self, maker: Maker<'_>, partial: BufferId) -> Result<Dispatch> {
        let (a, b) = (self.a, self.b);
        let (tile, a_block, b_block) = self.blocks(maker.limits());
        let b_blocks = (b.width + 1).div_ceil(b_block);
        let dims = Dims::Outer(OuterDims {
            rows: self.rows as u32,
            chunk: self.chunk as u32,
            a_offset: a.offset as u32,
            a_stride: a.stride as u32,
            a_width: a.width as u32,
            b_offset: b.offset as u32,
            b_stride: b.stride as u32,
            b_width: b.width as u32,
            b_blocks: b_blocks as u32,
        });
        let size = (self.count(), a.width.div_ceil(a_block) * b_blocks);
        let arrays = [("a", a.buffer.into()), ("b", b.buffer.into()), ("partial", partial.into())];
        let mut dispatch = maker.dispatch_as(a.buffer, Kernel::Outer, tile, size, dims, &arrays)?;
        dispatch.flops = product(&[2, FOUR, FOUR, self.rows, a.width, b.width]);
        // The columns of a are rows of the result; the partial sums share no operand.
        dispatch.shape = Some(Shape {
            rows: FOUR * a.width,
            columns: product(&[b.width + 1, self.count()]),
            directions: self.count(),
            depth: self.rows.div_ceil(self.count()).div_ceil(FOUR),
            steps: 1,
            dtype: dispatch.dtype,
        });
        let read = product(&[FOUR, self.rows, a.width + b.width, dispatch.dtype.bytes()]);
        dispatch.bytes = read + product(&[Dtype::F32.bytes(), self.count(), self.len()]);
        Ok(dispatch)
    }
}

/// A sum of partial sums, which becomes some rows and columns of a tensor of the flat gradients.
pub(super) struct Reduction {
    pub slot: usize,
    pub kind: TensorKind,
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// Rows of a gate.
    pub units: u64,
    pub partial: BufferId,
    /// The place of the first number, the number of partial sums, and numbers from one to the next.
    pub offset: u64,
    pub count: u64,
    pub stride: u64,
    /// The last partial sum is added first.
    pub from_last: bool,
    /// Numbers from one unit and from one gate to the next, and the places of the gates.
    pub unit_stride: u64,
    pub gate_stride: u64,
    pub gates: u32,
    /// The sums are added to the tensor.
    pub adds: bool,
}

impl Reduction {
    /// A dispatch, or one for each run of rows that a kernel can see at once; none for a tensor that the
    /// network does not have.
    pub fn dispatches(&self, maker: Maker<'_>, flat: &Flat) -> Result<Vec<Dispatch>> {
        let Some(entry) = flat.table.entry(self.slot, self.kind) else { return Ok(Vec::new()) };
        let width = row_of(entry);
        let mut dispatches = Vec::new();
        for piece in flat.pieces(entry, self.rows.clone(), maker.limits()) {
            // No loop has too many turns: a later run of partial sums adds to the earlier ones.
            for first in (0..self.count).step_by(MAX_TURNS as usize) {
                let count = (self.count - first).min(MAX_TURNS);
                // Kernels add u32, which wraps.
                let (skipped, stride) = match self.from_last {
                    true => (self.count - 1 - first, (self.stride as u32).wrapping_neg()),
                    false => (first, self.stride as u32),
                };
                let len = (piece.rows.len() * self.columns.len()) as u64;
                let dims = Dims::Reduce(ReduceDims {
                    len: len as u32,
                    columns: self.columns.len() as u32,
                    width: width as u32,
                    units: self.units as u32,
                    start: (piece.start + self.columns.start) as u32,
                    offset: (self.offset + skipped * self.stride) as u32,
                    count: count as u32,
                    stride,
                    unit_stride: self.unit_stride as u32,
                    gate_stride: self.gate_stride as u32,
                    gates: self.gates,
                    first_row: (piece.rows.start - self.rows.start) as u32,
                    adds: u32::from(self.adds || first > 0),
                });
                let arrays: [(&str, Binding); 2] =
                    [("partial", self.partial.into()), ("flat", piece.binding)];
                let size = (len.div_ceil(u64::from(WORKGROUP)), 1);
                let mut dispatch = maker.dispatch(Kernel::Reduce, Tile::ALL[0], size, dims, &arrays)?;
                dispatch.bytes = product(&[Dtype::F32.bytes(), len, count + 1]);
                dispatches.push(dispatch);
            }
        }
        Ok(dispatches)
    }
}
