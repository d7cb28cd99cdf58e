//! The flat parameters, or the gradients by them, in as few buffers as hold them.

use super::Limits;
use super::buffers::{Binding, BufferId, PlanBuffers, binding_bytes};
use crate::Result;
use crate::network::Dtype;
use crate::weights::{Entry, Table};
use std::ops::Range;

/// Numbers that a binding begins at a multiple of: 256 bytes, the largest alignment that WebGPU asks for.
const ALIGNMENT: usize = 64;

/// The places of gates among a unit's numbers, in four bits each: as they come, and as a GRU's recurrent
/// product has them.
pub(super) const GATES_IN_ORDER: u32 = 0x3210;
pub(super) const GATES_OF_PRODUCT: u32 = 0x310;

/// A table in buffers.
pub(super) struct Flat {
    pub table: Table,
    /// The numbers of the table in each buffer.
    pub buffers: Vec<(Range<usize>, BufferId)>,
}

/// Some rows of a tensor, as a kernel sees them.
pub(super) struct FlatPiece {
    pub rows: Range<usize>,
    /// The place of the first number in the binding.
    pub start: usize,
    pub binding: Binding,
}

impl Flat {
    /// The flat parameters.
    pub fn parameters(table: Table, buffers: &mut PlanBuffers<'_>) -> Result<Flat> {
        Flat::new(table, buffers, "parameters", PlanBuffers::parameters)
    }

    /// The gradients by them.
    pub fn gradients(table: Table, buffers: &mut PlanBuffers<'_>) -> Result<Flat> {
        Flat::new(table, buffers, "gradients", |buffers, name, _, len| buffers.flat_gradients(name, len))
    }

    fn new<'a>(
        table: Table,
        buffers: &mut PlanBuffers<'a>,
        name: &str,
        make: impl Fn(&mut PlanBuffers<'a>, &str, usize, u64) -> Result<BufferId>,
    ) -> Result<Flat> {
        let longest =
            usize::try_from(buffers.limits().max_buffer_bytes / Dtype::F32.bytes()).unwrap_or(usize::MAX);
        let ranges = cut(&table, longest);
        let is_whole = ranges.len() == 1;
        let mut made = Vec::new();
        for (index, range) in ranges.into_iter().enumerate() {
            let name = if is_whole { name.into() } else { format!("{name} {index}") };
            let buffer = make(buffers, &name, range.start, range.len() as u64)?;
            made.push((range, buffer));
        }
        Ok(Flat { table, buffers: made })
    }

    /// The buffer that has a number of the table.
    fn holder(&self, number: usize) -> &(Range<usize>, BufferId) {
        let after = self.buffers.partition_point(|(range, _)| range.start <= number);
        &self.buffers[after - 1]
    }

    /// Rows of a tensor, in runs that a kernel can see at once.
    pub fn pieces(&self, entry: &Entry, rows: Range<usize>, limits: &Limits) -> Vec<FlatPiece> {
        let width = row_of(entry);
        let seen = binding_bytes(limits, Dtype::F32) / Dtype::F32.bytes();
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        let mut pieces = Vec::new();
        let mut row = rows.start;
        while row < rows.end {
            let number = entry.offset + row * width;
            let (held, buffer) = self.holder(number);
            let start = (number - held.start) % ALIGNMENT;
            let bound = number - start;
            // A row that is longer than a binding is longer still in the packed array, which was found to
            // fit.
            let most = ((held.end - bound).min(seen).saturating_sub(start) / width).max(1);
            let count = (rows.end - row).min(most);
            let range = [bound - held.start, start + count * width].map(|n| Dtype::F32.bytes() * n as u64);
            let binding = Binding { buffer: *buffer, range: Some(range.into()) };
            pieces.push(FlatPiece { rows: row..row + count, start, binding });
            row += count;
        }
        pieces
    }
}

/// Cuts a table between tensors into ranges of at most `longest` numbers. A tensor that alone is longer is
/// cut between two rows.
fn cut(table: &Table, longest: usize) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut range = 0..0;
    for entry in &table.entries {
        let (tensor, row) = (entry.range(), row_of(entry));
        if tensor.end - range.start > longest && !range.is_empty() {
            ranges.push(std::mem::replace(&mut range, tensor.start..tensor.start));
        }
        range.end = tensor.end;
        // A row that is longer than a buffer is refused when the buffer is made.
        let rows = (longest / row).max(1) * row;
        while range.len() > longest.max(row) {
            let end = range.start + rows;
            ranges.push(range.start..end);
            range.start = end;
        }
    }
    ranges.push(range);
    ranges
}

/// The length of a tensor's row.
pub(super) fn row_of(entry: &Entry) -> usize {
    entry.shape.get(1).copied().unwrap_or(1)
}
