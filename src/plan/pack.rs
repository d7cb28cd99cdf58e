//! The packing of weights: from the flat parameters into the arrays that kernels read, by `pack.wgsl`.

use super::buffers::{Binding, PlanBuffers};
use super::dims::{Dims, PackDims};
use super::dispatch::Dispatch;
use super::flat::{Flat, FlatPiece, GATES_IN_ORDER, GATES_OF_PRODUCT, row_of};
use super::maker::Maker;
use super::walk::Walk;
use super::weights::{self, WeightPart, gate_numbers, input_depth};
use super::{FOUR, Limits, Plan, Schedule, Tuning, Way, builder, product, show};
use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Cell, Dtype, Equation, Network, Product, Reset, Save, SlotSpec};
use crate::weights::{Entry, Table, TensorKind};
use std::ops::Range;

/// Numbers of a source that an invocation copies, at most.
const TURNS: u64 = 16;

/// The weights that a packing makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// The weights of all calls.
    Calls,
    /// The weights that only saved calls and their backward passes read.
    SavedCalls,
    /// The weights that training steps read.
    Training(Save),
}

impl Packing {
    fn has(self, part: WeightPart, slot: &SlotSpec) -> bool {
        match self {
            Packing::Calls => !part.is_for_gradients(),
            Packing::SavedCalls => part.is_for_gradients(),
            Packing::Training(save) => part.is_for_training(slot, save),
        }
    }
}

/// Plans a packing of a network's weights: one pass per layer, one dispatch per tensor.
pub(super) fn plan(network: &Network, dtype: Dtype, limits: &Limits, packing: Packing) -> Result<Plan> {
    builder::check(network, dtype, limits)?;
    let title = show::packing_title(network, dtype);
    let mut buffers = PlanBuffers::new(&title, limits);
    let flat = Flat::parameters(Table::of(network), &mut buffers)?;
    let mut walk = Walk::new();
    for layer in 0..network.num_layers {
        let mut dispatches = Vec::new();
        let slots = network.layer(layer);
        let all = weights::of_layer(network, limits, dtype, layer);
        for of in all.into_iter().filter(|of| packing.has(of.key.part, &slots[0])) {
            let own = match of.key.part {
                // All directions make up one array.
                WeightPart::TransposedInput => slots,
                _ => &slots[of.key.first..of.key.first + of.key.count],
            };
            for slot in own {
                let first = if own.len() > of.key.count { &slots[..1] } else { std::slice::from_ref(slot) };
                let weight = weights::weight(&mut buffers, network, limits, first, of.key.part, dtype)?;
                let packed = (weight.binding, of.dtype);
                for tensor in Tensor::of(network, slot, of.key.part, limits) {
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
    packed: Packed,
}

/// The way from some rows into an array. Row count, start and first row are a dispatch's own.
#[derive(Clone, Copy)]
pub(super) struct Packed {
    pub dims: PackDims,
    /// [`Kernel::Pack`] or [`Kernel::Transpose`].
    pub kernel: Kernel,
    /// The rows are added to earlier ones.
    pub adds: bool,
}

impl Packed {
    /// Rows of one source, which become columns: of a matrix, or of a vector that is one number wide.
    pub fn rows(units: usize, gates: usize, source: usize) -> Packed {
        let depth = (source as u64).div_ceil(FOUR) as u32;
        let dims = PackDims {
            rows: 0,
            start: 0,
            first_row: 0,
            width: 0,
            source: source as u32,
            source_depth: depth,
            depth,
            vector_bits: FOUR.ilog2(),
            lane_bits: 0,
            units: units as u32,
            gates: gates as u32,
            group: gates as u32,
            stride: gates as u32,
            offset: 0,
        };
        Packed { dims, kernel: Kernel::Pack, adds: false }
    }

    /// A vector, whose numbers are no vectors of four.
    pub fn numbers(mut self) -> Packed {
        self.dims.vector_bits = 0;
        self
    }

    /// Four columns side by side, of whatever gates.
    pub fn in_fours(mut self) -> Packed {
        (self.dims.group, self.dims.stride) = (FOUR as u32, FOUR as u32);
        self
    }

    /// Rows become k instead: `stride` of k for a unit, `gates` their places, the first k and K.
    pub fn transposed(mut self, stride: u32, gates: u32, (first, depth): (u64, u64)) -> Packed {
        self.kernel = Kernel::Transpose;
        (self.dims.stride, self.dims.gates) = (stride, gates);
        (self.dims.offset, self.dims.depth) = (first as u32, depth as u32);
        self
    }

    /// A dispatch over `rows` rows of `width` numbers each.
    pub fn dispatch(
        &self,
        maker: Maker<'_>,
        (flat, start): (Binding, usize),
        packed: Binding,
        (first_row, rows, width): (usize, usize, usize),
    ) -> Result<Dispatch> {
        let numbers = u64::from(self.dims.source_depth) << self.dims.vector_bits;
        // A software adapter reads neighbours by one invocation as fast as by many.
        let is_software = maker.buffers.limits().machine.is_software;
        let wanted = if is_software { numbers.div_ceil(TURNS) } else { numbers };
        let lanes = wanted.next_power_of_two().min(u64::from(WORKGROUP));
        let dims = PackDims {
            rows: rows as u32,
            start: start as u32,
            first_row: first_row as u32,
            width: width as u32,
            lane_bits: lanes.ilog2(),
            ..self.dims
        };
        let size = ((rows as u64 * lanes).div_ceil(u64::from(WORKGROUP)), numbers.div_ceil(TURNS * lanes));
        let (kernel, tile) = (self.kernel, Tile::ALL[0]);
        let arrays = [("flat", flat), ("packed", packed)];
        let mut dispatch = maker.dispatch(kernel, tile, size, Dims::Pack(dims), &arrays)?;
        dispatch.overrides = kernel.overrides(tile, vec![("ADDS", f64::from(u8::from(self.adds)))]);
        let sources = width.div_ceil(self.dims.source.max(1) as usize) as u64;
        let written = product(&[rows as u64, sources, numbers, maker.dtype.bytes()]);
        dispatch.bytes = (Dtype::F32.bytes() * (rows * width) as u64).saturating_add(written);
        Ok(dispatch)
    }
}

impl Tensor {
    /// The tensors that a part of a slot's weights is made of; the slot may lack some.
    fn of(network: &Network, slot: &SlotSpec, part: WeightPart, limits: &Limits) -> Vec<Tensor> {
        let all = 0..slot.gate_rows();
        let (_, source) = weights::sources(network, slot.layer);
        // Numbers of a unit in a row of gates.
        let numbers = |saves| gate_numbers(&slot.cell, saves) as u32;
        match part {
            WeightPart::InputWeight | WeightPart::SavedInputWeight => {
                let mut matrix = Tensor::matrix(slot, TensorKind::WeightIh, all, source);
                matrix.packed = matrix.packed.in_fours();
                matrix.packed.dims.gates = numbers(part.is_for_gradients());
                matrix.packed.dims.depth = input_depth(network, slot.layer) as u32;
                vec![matrix]
            }
            WeightPart::InputBias | WeightPart::SavedInputBias => {
                let mut bias = Tensor::vector(slot, TensorKind::BiasIh, all, 1);
                bias.packed.dims.gates = numbers(part.is_for_gradients());
                bias.packed.dims.group = 1;
                vec![bias]
            }
            WeightPart::Again(Product::Recurrent { first, gates }) => again(slot, first, gates)
                .map(|(first, gates, place)| {
                    let rows = blocks(slot, first, gates);
                    let mut matrix = Tensor::matrix(slot, TensorKind::WeightHh, rows, slot.state_size);
                    matrix.packed = matrix.packed.in_fours();
                    matrix.packed.dims.gates = numbers(true);
                    matrix.packed.dims.offset = place as u32;
                    matrix
                })
                .collect(),
            WeightPart::BothBiases => {
                let stride = numbers(true) as usize;
                let mut biases = vec![Tensor::vector(slot, TensorKind::BiasIh, all, stride)];
                biases.extend(again(slot, 0, slot.cell.cell.gates()).map(|(first, gates, place)| {
                    let mut bias =
                        Tensor::vector(slot, TensorKind::BiasHh, blocks(slot, first, gates), stride);
                    bias.packed.dims.offset = place as u32;
                    bias.packed.adds = true;
                    bias
                }));
                biases
            }
            WeightPart::Product(Product::Recurrent { first, gates }) => {
                vec![Tensor::matrix(slot, TensorKind::WeightHh, blocks(slot, first, gates), slot.state_size)]
            }
            WeightPart::Product(Product::Projection) => vec![Tensor::projection(slot)],
            WeightPart::Parameters(equation) => Tensor::parameters(slot, equation),
            WeightPart::Transposed(of) => {
                let depth = (0, weights::transposed_depth(of, slot));
                let group = weights::units_together(limits);
                let transposed = |tensor: Tensor, stride, gates| {
                    let mut packed = tensor.packed.transposed(stride, gates, depth);
                    packed.dims.group = group as u32;
                    vec![Tensor { packed, ..tensor }]
                };
                match of {
                    Product::Projection => transposed(Tensor::projection(slot), 1, GATES_IN_ORDER),
                    Product::Recurrent { first, gates } => {
                        let rows = blocks(slot, first, gates);
                        let matrix = Tensor::matrix(slot, TensorKind::WeightHh, rows, slot.state_size);
                        match (first, gates) {
                            // The candidate of a GRU has no gradient of its own in a row: the gradient by h_n
                            // takes its place as the fourth number.
                            (0, 3) => transposed(matrix, numbers(true), GATES_OF_PRODUCT),
                            (0, _) => transposed(matrix, numbers(true), GATES_IN_ORDER),
                            // Rows of a single number per unit.
                            _ => transposed(matrix, 1, GATES_IN_ORDER),
                        }
                    }
                }
            }
            WeightPart::TransposedInput => {
                let columns = weights::columns(slot, true);
                let first = slot.direction as u64 * FOUR * columns;
                let depth = columns * network.direction_count() as u64;
                let matrix = Tensor::matrix(slot, TensorKind::WeightIh, all, source);
                let packed =
                    matrix.packed.in_fours().transposed(numbers(true), GATES_IN_ORDER, (first, depth));
                vec![Tensor { packed, ..matrix }]
            }
            // Gates are made again before the projection.
            WeightPart::Again(Product::Projection) => Vec::new(),
        }
    }

    /// Row blocks of a matrix; the columns of a unit stand side by side. The lengths are those of an array
    /// that was found to be countable in 32 bits.
    fn matrix(slot: &SlotSpec, kind: TensorKind, rows: Range<usize>, source: usize) -> Tensor {
        let gates = rows.len() / slot.hidden_size;
        Tensor { kind, rows, packed: Packed::rows(slot.hidden_size, gates, source) }
    }

    /// `weight_hr`, whose rows are those of one gate.
    fn projection(slot: &SlotSpec) -> Tensor {
        let packed = Packed::rows(slot.state_size, 1, slot.hidden_size);
        Tensor { kind: TensorKind::WeightHr, rows: 0..slot.state_size, packed }
    }

    /// Row blocks of a vector, in an array of `stride` numbers per unit.
    fn vector(slot: &SlotSpec, kind: TensorKind, rows: Range<usize>, stride: usize) -> Tensor {
        let mut vector = Tensor::matrix(slot, kind, rows, 1);
        vector.packed = vector.packed.numbers();
        vector.packed.dims.stride = stride as u32;
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
            vector.packed.dims.offset = offset as u32;
            vector
        };
        let mut tensors = vec![vector(TensorKind::BiasHh, (first, width), 0)];
        tensors.push(vector(TensorKind::Peephole, (0, 3), width));
        if slot.cell.layer_norm {
            let all = (0, width);
            // Both biases follow the normalisation, and are one vector.
            let mut bias = vector(TensorKind::BiasIh, all, 0);
            bias.packed.adds = true;
            tensors.extend([
                bias,
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
        let maker = Maker { buffers, dtype, tuning: Tuning::default() };
        let pieces = flat.pieces(entry, self.rows.clone(), buffers.limits()).into_iter();
        let dispatch = |piece: FlatPiece| {
            let rows = (piece.rows.start - self.rows.start, piece.rows.len(), row_of(entry));
            self.packed.dispatch(maker, (piece.binding, piece.start), packed, rows)
        };
        pieces.map(dispatch).collect()
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
