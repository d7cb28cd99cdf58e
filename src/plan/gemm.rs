//! A GEMM: sources side by side, times a weight, and a bias.

use super::buffers::BufferId;
use super::cost::Shape;
use super::dims::{Dims, GemmDims};
use super::dispatch::Dispatch;
use super::maker::Maker;
use super::schedule::MAX_TURNS;
use super::walk::Segment;
use super::weights::Weight;
use super::{FOUR, product, tiles};
use crate::Result;
use crate::kernel::Kernel;

/// `[rows, K]` times `[K, directions · columns]`, and a bias.
pub(super) struct Gemm {
    /// The arrays side by side in K.
    pub sources: Vec<Source>,
    pub weight: Weight,
    /// K of the weight in vectors of four, if it is longer than all sources, and the place in it where they
    /// begin.
    pub depth: Option<u64>,
    pub weight_offset: u64,
    /// The product is added to the numbers that are there.
    pub adds: bool,
    pub bias: Option<Weight>,
    pub into: Target,
    pub rows: u64,
    /// C of one direction, in vectors of four.
    pub columns: u64,
    pub directions: u64,
    /// The segment whose steps the rows are.
    pub segment: Option<Segment>,
}

/// Rows of numbers; lengths in vectors of four.
pub(super) struct Source {
    buffer: BufferId,
    /// The place where the array begins, and numbers from one row to the next.
    offset: u64,
    stride: u64,
    /// K.
    depth: u64,
}

/// The rows that a product is written to; lengths in vectors of four.
pub(super) struct Target {
    pub buffer: BufferId,
    /// The place in a row where the columns begin, and the row length; all of a row, if none.
    pub part: Option<(u64, u64)>,
}

impl Target {
    /// Rows of the product alone.
    pub fn whole(buffer: BufferId) -> Target {
        Target { buffer, part: None }
    }
}

impl Source {
    /// Rows that lie one after the other.
    pub fn whole(buffer: BufferId, offset: u64, depth: u64) -> Source {
        Source { buffer, offset, stride: depth, depth }
    }

    /// A part of each row, `first` numbers after its start.
    pub fn part(buffer: BufferId, first: u64, depth: u64, stride: u64) -> Source {
        Source { buffer, offset: first, stride, depth }
    }
}

impl Gemm {
    /// One dispatch per source and piece of K: the first starts from the bias, each later dispatch from the
    /// sum so far.
    pub fn dispatches(&self, maker: Maker<'_>) -> Result<Vec<Dispatch>> {
        let dtype = maker.dtype;
        let own_depth = self.sources.iter().map(|source| source.depth).sum::<u64>();
        let whole_depth = self.depth.unwrap_or(own_depth);
        let columns = self.columns * self.directions;
        let size = (self.rows, columns);
        let kernel = match maker.buffers.get(self.into.buffer).dtype == dtype {
            true => Kernel::Gemm,
            false => Kernel::GemmInF32,
        };
        let shape = Shape { rows: self.rows, columns, directions: 1, depth: own_depth, steps: 1, dtype };
        let tile = tiles::tile(kernel, &shape, &maker.tuning, maker.limits())?;
        let mut dispatches = Vec::new();
        let mut weight_offset = self.weight_offset;
        for &Source { buffer: source, offset, stride, depth: source_depth } in &self.sources {
            for start in (0..source_depth).step_by(MAX_TURNS as usize) {
                let depth = (source_depth - start).min(MAX_TURNS);
                // All of them index buffers that were found to be countable in 32 bits.
                let dims = Dims::Gemm(GemmDims {
                    rows: self.rows as u32,
                    columns: columns as u32,
                    depth: depth as u32,
                    whole_depth: whole_depth as u32,
                    source_offset: (offset + start) as u32,
                    source_stride: stride as u32,
                    weight_offset: weight_offset as u32,
                    adds: u32::from(self.adds || weight_offset > self.weight_offset),
                    direction_columns: self.columns as u32,
                    direction_weight: (self.weight.direction / (FOUR * FOUR)) as u32,
                    direction_bias: self.bias.map_or(0, |bias| bias.direction / FOUR) as u32,
                    into_offset: self.into.part.map_or(0, |(offset, _)| offset) as u32,
                    into_stride: self.into.part.map_or(columns, |(_, stride)| stride) as u32,
                });
                let arrays = [
                    ("a", source.into()),
                    ("b", self.weight.binding),
                    // An array that a kernel does not read is bound to one that it reads.
                    ("parameters", self.bias.map_or(self.weight.binding, |bias| bias.binding)),
                    ("input_gates", self.into.buffer.into()),
                ];
                let mut dispatch = maker.dispatch(kernel, tile, size, dims, &arrays)?;
                dispatch.shape = Some(Shape { depth, ..shape });
                let has_bias = f64::from(u8::from(self.bias.is_some()));
                dispatch.overrides = kernel.overrides(tile, vec![("HAS_BIAS", has_bias)]);
                dispatch.segment = self.segment;
                dispatch.flops = product(&[2, FOUR, FOUR, self.rows, depth, columns]);
                let numbers = product(&[self.rows, depth])
                    .saturating_add(product(&[FOUR, depth, columns]))
                    .saturating_add(product(&[self.rows, columns]));
                dispatch.bytes = product(&[dtype.bytes(), FOUR, numbers]);
                dispatches.push(dispatch);
                weight_offset += depth;
            }
        }
        Ok(dispatches)
    }
}
