//! The packing of a network's weights: from the flat parameters into the arrays that kernels read, by
//! `pack.wgsl`.

use super::buffers::{Binding, BufferId, PlanBuffers, binding_bytes};
use super::dispatch::{Dims, Dispatch, PackDims};
use super::walk::Walk;
use super::weights::{self, WeightPart, input_depth};
use super::{FOUR, Limits, Plan, Schedule, builder, product, show};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Dtype, Equation, Network, Product, SlotSpec};
use crate::weights::{Entry, Table, TensorKind};
use std::ops::Range;

/// Numbers that a binding begins at a multiple of: 256 bytes, the largest alignment that WebGPU asks for.
const ALIGNMENT: usize = 64;

/// Numbers of a source that an invocation copies, at most.
const TURNS: u64 = 16;

/// Plans the packing of all weights of a network: one pass per layer, one dispatch per tensor.
pub(super) fn plan(network: &Network, dtype: Dtype, limits: &Limits) -> Result<Plan> {
    builder::check(network, dtype, limits)?;
    let title = show::packing_title(network, dtype);
    let mut buffers = PlanBuffers::new(&title, limits);
    let flat = Flat::new(Table::of(network), &mut buffers)?;
    let mut walk = Walk::new();
    for layer in 0..network.num_layers {
        let mut dispatches = Vec::new();
        for of in weights::of_layer(network, limits, dtype, layer) {
            for slot in &network.layer(layer)[of.key.first..of.key.first + of.key.count] {
                let slots = std::slice::from_ref(slot);
                let weight = weights::weight(&mut buffers, network, limits, slots, of.key.part, dtype)?;
                for tensor in Tensor::of(network, slot, of.key.part) {
                    if let Some(entry) = flat.table.entry(slot.index, tensor.kind) {
                        let packed = (weight.binding, of.dtype);
                        dispatches.extend(tensor.dispatches(&flat, entry, packed, &buffers)?);
                    }
                }
            }
        }
        walk.once(format!("layer {layer} pack"), dispatches);
    }
    let (schedule, max_workgroups) = (Schedule::Stepwise, u64::from(limits.max_workgroups.max(1)));
    let (buffers, submits) = (buffers.finish(), walk.submits);
    let (uploads, downloads) = (Vec::new(), Vec::new());
    Ok(Plan { title, schedule, steps: 0, buffers, uploads, submits, downloads, max_workgroups })
}

/// The flat parameters in as few buffers as hold them.
struct Flat {
    table: Table,
    /// The numbers of the table in each buffer.
    buffers: Vec<(Range<usize>, BufferId)>,
}

impl Flat {
    fn new(table: Table, buffers: &mut PlanBuffers<'_>) -> Result<Flat> {
        let longest =
            usize::try_from(buffers.limits().max_buffer_bytes / Dtype::F32.bytes()).unwrap_or(usize::MAX);
        let ranges = cut(&table, longest);
        let is_whole = ranges.len() == 1;
        let buffer = |(index, range): (usize, Range<usize>)| {
            let name = if is_whole { "parameters".into() } else { format!("parameters {index}") };
            let buffer = buffers.parameters(&name, range.start, range.len() as u64)?;
            Ok((range, buffer))
        };
        let buffers = ranges.into_iter().enumerate().map(buffer).collect::<Result<_>>()?;
        Ok(Flat { table, buffers })
    }

    /// The buffer that has a number of the table.
    fn holder(&self, number: usize) -> &(Range<usize>, BufferId) {
        let after = self.buffers.partition_point(|(range, _)| range.start <= number);
        &self.buffers[after - 1]
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
fn row_of(entry: &Entry) -> usize {
    entry.shape.get(1).copied().unwrap_or(1)
}

/// A tensor, or some row blocks of one, and how it lies in an array.
struct Tensor {
    kind: TensorKind,
    rows: Range<usize>,
    /// The tensor is added to an earlier one.
    adds: bool,
    /// The sizes that all of its dispatches have in common.
    dims: PackDims,
}

impl Tensor {
    /// The tensors that a part of a slot's weights is made of; the slot may lack some.
    fn of(network: &Network, slot: &SlotSpec, part: WeightPart) -> Vec<Tensor> {
        let all = 0..slot.gate_rows();
        match part {
            WeightPart::InputWeight => {
                let (_, source) = weights::sources(network, slot.layer);
                let mut matrix = Tensor::matrix(slot, TensorKind::WeightIh, all, source);
                matrix.dims.depth = input_depth(network, slot.layer) as u32;
                // Four columns side by side, of whatever gates.
                (matrix.dims.group, matrix.dims.stride) = (FOUR as u32, FOUR as u32);
                vec![matrix]
            }
            WeightPart::InputBias => {
                let mut bias = Tensor::vector(slot, TensorKind::BiasIh, all, 1);
                bias.dims.group = 1;
                vec![bias]
            }
            WeightPart::Product(Product::Recurrent { first, gates }) => {
                vec![Tensor::matrix(slot, TensorKind::WeightHh, blocks(slot, first, gates), slot.state_size)]
            }
            WeightPart::Product(Product::Projection) => {
                let rows = 0..slot.state_size;
                let mut matrix = Tensor::matrix(slot, TensorKind::WeightHr, rows, slot.hidden_size);
                // Its rows are those of one gate.
                (matrix.dims.units, matrix.dims.gates) = (slot.state_size as u32, 1);
                (matrix.dims.group, matrix.dims.stride) = (1, 1);
                vec![matrix]
            }
            WeightPart::Parameters(equation) => Tensor::parameters(slot, equation),
        }
    }

    /// Row blocks of a matrix; the columns of a unit stand side by side. The lengths are those of an array
    /// that was found to be countable in 32 bits.
    fn matrix(slot: &SlotSpec, kind: TensorKind, rows: Range<usize>, source: usize) -> Tensor {
        let depth = (source as u64).div_ceil(FOUR) as u32;
        let gates = (rows.len() / slot.hidden_size) as u32;
        let dims = PackDims {
            rows: 0,
            start: 0,
            first_row: 0,
            width: 0,
            source: source as u32,
            source_depth: depth,
            depth,
            vector_bits: FOUR.ilog2(),
            lanes: depth.saturating_mul(FOUR as u32).next_power_of_two().min(WORKGROUP),
            units: slot.hidden_size as u32,
            gates,
            group: gates,
            stride: gates,
            offset: 0,
        };
        Tensor { kind, rows, adds: false, dims }
    }

    /// Row blocks of a vector, in an array of `stride` numbers per unit.
    fn vector(slot: &SlotSpec, kind: TensorKind, rows: Range<usize>, stride: usize) -> Tensor {
        let mut vector = Tensor::matrix(slot, kind, rows, 1);
        (vector.dims.vector_bits, vector.dims.lanes, vector.dims.stride) = (0, 1, stride as u32);
        vector
    }

    /// For each unit, the vectors of all gates of an equation: `bias_hh`, then the equation's further
    /// tensors.
    fn parameters(slot: &SlotSpec, equation: Equation) -> Vec<Tensor> {
        let width = equation.width();
        let stride = equation.parameters(&slot.cell) * width;
        let first = match equation.product() {
            Some(Product::Recurrent { first, .. }) => first,
            Some(Product::Projection) | None => 0,
        };
        let vector = |kind, (first, gates), offset: usize| {
            let mut vector = Tensor::vector(slot, kind, blocks(slot, first, gates), stride);
            vector.dims.offset = offset as u32;
            vector
        };
        let mut tensors = vec![vector(TensorKind::BiasHh, (first, width), 0)];
        tensors.push(vector(TensorKind::Peephole, (0, 3), width));
        if slot.cell.layer_norm {
            let all = (0, width);
            tensors.extend([
                // Both biases follow the normalisation, and are one vector.
                Tensor { adds: true, ..vector(TensorKind::BiasIh, all, 0) },
                vector(TensorKind::NormIhWeight, all, 2 * width),
                vector(TensorKind::NormIhBias, all, 3 * width),
                vector(TensorKind::NormHhWeight, all, 4 * width),
                vector(TensorKind::NormHhBias, all, 5 * width),
                // Beside each other in one vector.
                vector(TensorKind::NormCWeight, (0, 1), 6 * width),
                vector(TensorKind::NormCBias, (0, 1), 6 * width + 1),
            ]);
        }
        tensors
    }

    /// A dispatch, or one for each run of rows that a kernel can see at once.
    fn dispatches(
        &self,
        flat: &Flat,
        entry: &Entry,
        (packed, dtype): (Binding, Dtype),
        buffers: &PlanBuffers<'_>,
    ) -> Result<Vec<Dispatch>> {
        let width = row_of(entry);
        let seen = binding_bytes(buffers.limits(), Dtype::F32) / Dtype::F32.bytes();
        let seen = usize::try_from(seen).unwrap_or(usize::MAX);
        let lanes = u64::from(self.dims.lanes);
        let columns = u64::from(self.dims.source_depth << self.dims.vector_bits).div_ceil(TURNS * lanes);
        let mut dispatches = Vec::new();
        let mut row = self.rows.start;
        while row < self.rows.end {
            let number = entry.offset + row * width;
            let (held, buffer) = flat.holder(number);
            let start = (number - held.start) % ALIGNMENT;
            let bound = number - start;
            // A row that is longer than a binding is longer still in the packed array, which was found to
            // fit.
            let most = ((held.end - bound).min(seen).saturating_sub(start) / width).max(1);
            let rows = (self.rows.end - row).min(most);
            let range = [bound - held.start, start + rows * width].map(|n| Dtype::F32.bytes() * n as u64);
            let flat = Binding { buffer: *buffer, range: Some(range.into()) };
            let dims = PackDims {
                rows: rows as u32,
                start: start as u32,
                first_row: (row - self.rows.start) as u32,
                width: width as u32,
                ..self.dims
            };
            let arrays = [("flat", flat), ("packed", packed)];
            let size = ((rows as u64 * lanes).div_ceil(u64::from(WORKGROUP)), columns);
            let (kernel, tile) = (Kernel::Pack, Tile::ALL[0]);
            let mut dispatch = Dispatch::over(kernel, tile, dtype, size, Dims::Pack(dims), &arrays, buffers)?;
            dispatch.overrides = kernel.overrides(tile, vec![("ADDS", f64::from(u8::from(self.adds)))]);
            let written =
                product(&[rows as u64, u64::from(self.dims.depth << self.dims.vector_bits), dtype.bytes()]);
            dispatch.bytes = (Dtype::F32.bytes() * (rows * width) as u64).saturating_add(written);
            dispatches.push(dispatch);
            row += rows;
        }
        Ok(dispatches)
    }
}

/// The rows of some gates.
fn blocks(slot: &SlotSpec, first: usize, gates: usize) -> Range<usize> {
    first * slot.hidden_size..(first + gates) * slot.hidden_size
}
