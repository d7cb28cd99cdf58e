//! A GEMM: sources side by side, times a weight, and a bias.

use super::buffers::BufferId;
use super::builder::Builder;
use super::dispatch::{Dims, Dispatch, GemmDims};
use super::schedule::MAX_TURNS;
use super::walk::Segment;
use super::weights::Weight;
use super::{FOUR, product, tiles};
use crate::Result;
use crate::kernel::Kernel;

/// `[rows, K]` times `[K, directions · columns]`, and a bias.
pub(super) struct Gemm {
    /// The arrays side by side in K: the buffer, and where it begins and its row length in vectors of four.
    pub sources: Vec<(BufferId, u64, u64)>,
    pub weight: Weight,
    pub bias: Option<Weight>,
    pub into: BufferId,
    pub rows: u64,
    /// C of one direction, in vectors of four.
    pub columns: u64,
    pub directions: u64,
    /// The segment whose steps the rows are.
    pub segment: Option<Segment>,
}

impl Gemm {
    /// One dispatch per source and piece of K: the first starts from the bias, each later dispatch from the
    /// sum so far.
    pub fn dispatches(&self, builder: &Builder<'_>) -> Result<Vec<Dispatch>> {
        let dtype = builder.workload.dtype;
        let whole_depth = self.sources.iter().map(|(.., depth)| depth).sum::<u64>();
        let columns = self.columns * self.directions;
        let size = (self.rows, columns);
        let tile = tiles::tile(Kernel::Gemm, size, dtype, &builder.workload.tuning, builder.limits)?;
        let mut dispatches = Vec::new();
        let mut weight_offset = 0;
        for &(source, source_offset, source_depth) in &self.sources {
            for start in (0..source_depth).step_by(MAX_TURNS as usize) {
                let depth = (source_depth - start).min(MAX_TURNS);
                // All of them index buffers that were found to be countable in 32 bits.
                let dims = Dims::Gemm(GemmDims {
                    rows: self.rows as u32,
                    columns: columns as u32,
                    depth: depth as u32,
                    whole_depth: whole_depth as u32,
                    source_offset: (source_offset + start) as u32,
                    source_stride: source_depth as u32,
                    weight_offset: weight_offset as u32,
                    adds: u32::from(weight_offset > 0),
                    direction_columns: self.columns as u32,
                    direction_weight: (self.weight.direction / (FOUR * FOUR)) as u32,
                    direction_bias: self.bias.map_or(0, |bias| bias.direction / FOUR) as u32,
                });
                let arrays = [
                    ("a", source.into()),
                    ("b", self.weight.binding),
                    // An array that a kernel does not read is bound to one that it reads.
                    ("parameters", self.bias.map_or(self.weight.binding, |bias| bias.binding)),
                    ("input_gates", self.into.into()),
                ];
                let mut dispatch = builder.dispatch(Kernel::Gemm, tile, size, dims, &arrays)?;
                let has_bias = f64::from(u8::from(self.bias.is_some()));
                dispatch.overrides = Kernel::Gemm.overrides(tile, vec![("HAS_BIAS", has_bias)]);
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
