//! The packing of a network's weights: from the flat parameters into the arrays that kernels read, by
//! `pack.wgsl`.

use super::buffers::{Binding, PlanBuffers};
use super::dims::{Dims, PackDims, TransposeDims};
use super::dispatch::Dispatch;
use super::flat::{Flat, GATES_IN_ORDER, GATES_OF_PRODUCT, row_of};
use super::walk::Walk;
use super::weights::{self, WeightPart, gate_numbers, input_depth};
use super::{FOUR, Limits, Plan, Schedule, Way, builder, product, show};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Cell, Dtype, Equation, Network, Product, Reset, SlotSpec};
use crate::weights::{Entry, Table, TensorKind};
use std::ops::Range;

/// Numbers of a source that an invocation copies, at most.
const TURNS: u64 = 16;

/// Plans the packing of a network's weights, of all calls or those of gradients: one pass per layer, one
/// dispatch per tensor.
pub(super) fn plan(network: &Network, dtype: Dtype, limits: &Limits, for_gradients: bool) -> Result<Plan> {
    builder::check(network, dtype, limits)?;
    let title = show::packing_title(network, dtype);
    let mut buffers = PlanBuffers::new(&title, limits);
    let flat = Flat::parameters(Table::of(network), &mut buffers)?;
    let mut walk = Walk::new();
    for layer in 0..network.num_layers {
        let mut dispatches = Vec::new();
        let slots = network.layer(layer);
        let all = weights::of_layer(network, limits, dtype, layer);
        for of in all.into_iter().filter(|of| of.key.part.is_for_gradients() == for_gradients) {
            let own = match of.key.part {
                // All directions make up one array.
                WeightPart::TransposedInput => slots,
                _ => &slots[of.key.first..of.key.first + of.key.count],
            };
            for slot in own {
                let first = if own.len() > of.key.count { &slots[..1] } else { std::slice::from_ref(slot) };
                let weight = weights::weight(&mut buffers, network, limits, first, of.key.part, dtype)?;
                let packed = (weight.binding, of.dtype);
                if let Some(matrix) = Transpose::of(network, slot, of.key.part, limits) {
                    dispatches.extend(matrix.dispatches(&flat, slot, packed, &buffers)?);
                    continue;
                }
                for tensor in Tensor::of(network, slot, of.key.part) {
                    if let Some(entry) = flat.table.entry(slot.index, tensor.kind) {
                        dispatches.extend(tensor.dispatches(&flat, entry, packed, &buffers)?);
                    }
                }
            }
        }
        walk.once(format!("layer {layer} pack"), dispatches);
    }
    let schedule = Schedule::Stepwise;
    let (buffers, submits) = (buffers.finish(), walk.submits);
    let forward = Way { uploads: Vec::new(), submits, downloads: Vec::new() };
    Ok(Plan { title, schedule, steps: 0, buffers, forward, backward: None, saved: None, limits: *limits })
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
            WeightPart::InputWeight | WeightPart::SavedInputWeight => {
                let (_, source) = weights::sources(network, slot.layer);
                let mut matrix = Tensor::matrix(slot, TensorKind::WeightIh, all, source);
                matrix.dims.gates = gate_numbers(&slot.cell, part.is_for_gradients()) as u32;
                matrix.dims.depth = input_depth(network, slot.layer) as u32;
                // Four columns side by side, of whatever gates.
                (matrix.dims.group, matrix.dims.stride) = (FOUR as u32, FOUR as u32);
                vec![matrix]
            }
            WeightPart::InputBias | WeightPart::SavedInputBias => {
                let mut bias = Tensor::vector(slot, TensorKind::BiasIh, all, 1);
                bias.dims.gates = gate_numbers(&slot.cell, part.is_for_gradients()) as u32;
                bias.dims.group = 1;
                vec![bias]
            }
            WeightPart::Again(Product::Recurrent { first, gates }) => again(slot, first, gates)
                .map(|(first, gates, place)| {
                    let rows = blocks(slot, first, gates);
                    let mut matrix = Tensor::matrix(slot, TensorKind::WeightHh, rows, slot.state_size);
                    matrix.dims.gates = gate_numbers(&slot.cell, true) as u32;
                    (matrix.dims.group, matrix.dims.stride) = (FOUR as u32, FOUR as u32);
                    matrix.dims.offset = place as u32;
                    matrix
                })
                .collect(),
            WeightPart::BothBiases => {
                let stride = gate_numbers(&slot.cell, true) as usize;
                let mut biases = vec![Tensor::vector(slot, TensorKind::BiasIh, all, stride)];
                biases.extend(again(slot, 0, slot.cell.cell.gates()).map(|(first, gates, place)| {
                    let mut bias =
                        Tensor::vector(slot, TensorKind::BiasHh, blocks(slot, first, gates), stride);
                    bias.dims.offset = place as u32;
                    Tensor { adds: true, ..bias }
                }));
                biases
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
            // Transposed ones are no `Tensor`.
            WeightPart::Transposed(_) | WeightPart::TransposedInput => Vec::new(),
            WeightPart::Again(Product::Projection) => Vec::new(),
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
        let lanes = u64::from(self.dims.lanes);
        let columns = u64::from(self.dims.source_depth << self.dims.vector_bits).div_ceil(TURNS * lanes);
        let mut dispatches = Vec::new();
        for piece in flat.pieces(entry, self.rows.clone(), buffers.limits()) {
            let rows = piece.rows.len();
            let dims = PackDims {
                rows: rows as u32,
                start: piece.start as u32,
                first_row: (piece.rows.start - self.rows.start) as u32,
                width: width as u32,
                ..self.dims
            };
            let arrays = [("flat", piece.binding), ("packed", packed)];
            let size = ((rows as u64 * lanes).div_ceil(u64::from(WORKGROUP)), columns);
            let (kernel, tile) = (Kernel::Pack, Tile::ALL[0]);
            let mut dispatch = Dispatch::over(kernel, tile, dtype, size, Dims::Pack(dims), &arrays, buffers)?;
            dispatch.overrides = kernel.overrides(tile, vec![("ADDS", f64::from(u8::from(self.adds)))]);
            let written =
                product(&[rows as u64, u64::from(self.dims.depth << self.dims.vector_bits), dtype.bytes()]);
            dispatch.bytes = (Dtype::F32.bytes() * (rows * width) as u64).saturating_add(written);
            dispatches.push(dispatch);
        }
        Ok(dispatches)
    }
}

/// Row blocks of a matrix, and how its transpose lies in an array.
struct Transpose {
    kind: TensorKind,
    rows: Range<usize>,
    dims: TransposeDims,
}

impl Transpose {
    fn of(network: &Network, slot: &SlotSpec, part: WeightPart, limits: &Limits) -> Option<Transpose> {
        let numbers = gate_numbers(&slot.cell, true) as u32;
        let (kind, rows, source) = match part {
            WeightPart::Transposed(Product::Recurrent { first, gates }) => {
                (TensorKind::WeightHh, blocks(slot, first, gates), slot.state_size)
            }
            WeightPart::Transposed(Product::Projection) => {
                (TensorKind::WeightHr, 0..slot.state_size, slot.hidden_size)
            }
            WeightPart::TransposedInput => {
                let (_, source) = weights::sources(network, slot.layer);
                (TensorKind::WeightIh, 0..slot.gate_rows(), source)
            }
            _ => return None,
        };
        let mut dims = TransposeDims {
            len: 0,
            width: 0,
            units: slot.hidden_size as u32,
            start: 0,
            first_row: 0,
            unit_stride: numbers,
            gates: GATES_IN_ORDER,
            first_k: 0,
            depth: 0,
            source: source as u32,
            source_stride: source.next_multiple_of(FOUR as usize) as u32,
            group: 1,
        };
        match part {
            WeightPart::TransposedInput => {
                let columns = weights::columns(slot, true);
                dims.first_k = (slot.direction as u64 * FOUR * columns) as u32;
                dims.depth = (columns * network.direction_count() as u64) as u32;
                dims.group = FOUR as u32;
            }
            WeightPart::Transposed(of) => {
                dims.depth = weights::transposed_depth(of, slot) as u32;
                dims.group = weights::units_together(limits) as u32;
                // The candidate of a GRU has no gradient of its own in a row: the gradient by h_n takes its
                // place as the fourth number.
                let is_whole = of == Product::Recurrent { first: 0, gates: 3 };
                dims.gates = if is_whole { GATES_OF_PRODUCT } else { GATES_IN_ORDER };
                if !matches!(of, Product::Recurrent { first: 0, .. }) {
                    // Rows of a single number per unit.
                    dims.unit_stride = 1;
                }
                if of == Product::Projection {
                    dims.units = slot.state_size as u32;
                }
            }
            _ => {}
        }
        Some(Transpose { kind, rows, dims })
    }

    /// A dispatch, or one for each run of rows that a kernel can see at once.
    fn dispatches(
        &self,
        flat: &Flat,
        slot: &SlotSpec,
        (packed, dtype): (Binding, Dtype),
        buffers: &PlanBuffers<'_>,
    ) -> Result<Vec<Dispatch>> {
        let entry = flat.table.entry(slot.index, self.kind).expect("a cell has the matrices of its products");
        let width = row_of(entry);
        let mut dispatches = Vec::new();
        for piece in flat.pieces(entry, self.rows.clone(), buffers.limits()) {
            let len = (piece.rows.len() * width) as u64;
            let dims = TransposeDims {
                len: len as u32,
                width: width as u32,
                start: piece.start as u32,
                first_row: (piece.rows.start - self.rows.start) as u32,
                ..self.dims
            };
            let arrays = [("flat", piece.binding), ("packed", packed)];
            let (kernel, size) = (Kernel::Transpose, (len.div_ceil(u64::from(WORKGROUP)), 1));
            let dims = Dims::Transpose(dims);
            let mut dispatch = Dispatch::over(kernel, Tile::ALL[0], dtype, size, dims, &arrays, buffers)?;
            dispatch.bytes = product(&[len, Dtype::F32.bytes() + dtype.bytes()]);
            dispatches.push(dispatch);
        }
        Ok(dispatches)
    }
}

/// Gates of a recurrent product, and their place among a unit's numbers of a saved call: first gate, count,
/// place. The candidate of a GRU with reset after is the fourth of them, apart from the input's.
fn again(slot: &SlotSpec, first: usize, gates: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let is_apart = slot.cell.cell == Cell::Gru && slot.cell.gru_reset == Reset::After;
    let candidate = (first..first + gates).contains(&2) && slot.cell.cell == Cell::Gru;
    let before = if candidate { 2 - first } else { gates };
    let own = (before > 0).then_some((first, before, first));
    own.into_iter().chain(candidate.then_some((2, 1, if is_apart { 3 } else { 2 })))
}

/// The rows of some gates.
fn blocks(slot: &SlotSpec, first: usize, gates: usize) -> Range<usize> {
    first * slot.hidden_size..(first + gates) * slot.hidden_size
}
