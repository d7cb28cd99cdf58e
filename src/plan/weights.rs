//! Weights as kernels read them: which there are, and their lengths.
//!
//! They depend on the network, the adapter and the dtype alone, never on the schedule, so that all plans of a
//! network share one set. The weights of a layer's two directions lie in one buffer, where the adapter can
//! hold them so; a dispatch sees both, or one. `pack.rs` plans how they are made.

use super::buffers::{Binding, PlanBuffers, binding_bytes};
use super::{Limits, product};
use crate::kernel::{BLOCK, VECTOR};
use crate::network::{Back, Cell, CellSpec, Dtype, Equation, Network, Product, Save, SlotSpec};
use crate::{Error, Result};

/// Numbers in a vector.
const FOUR: u64 = VECTOR as u64;

/// Elements that a direction's array is padded to: 256 bytes at least of any element, so that a binding can
/// begin there.
const ALIGNMENT: u64 = 64;

/// A weight of a layer, as kernels read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelWeight {
    /// The layer.
    pub layer: usize,
    /// The first direction, and the number of them.
    pub first: usize,
    /// D, or 1 where the adapter cannot hold both in one buffer.
    pub count: usize,
    /// The tensors that the weight is made of.
    pub part: WeightPart,
}

/// The tensors that a [`KernelWeight`] is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WeightPart {
    /// `weight_ih`, `[C/4/8, K/4, 8]` of 4 columns by 4 k; C by unit, gate.
    InputWeight,
    /// `bias_ih`, `[C]`.
    InputBias,
    /// The weight of an equation's product, `[U/8, K/4, 8]` of G gates by 4 k.
    Product(Product),
    /// For each unit, the vectors of G gates that an equation has beside its product: `bias_hh` first.
    Parameters(Equation),
    /// `weight_ih` of a saved call whose gates have longer rows, as [`WeightPart::InputWeight`].
    SavedInputWeight,
    /// `bias_ih` of such a call.
    SavedInputBias,
    /// The weight of a product on the way back, `[K/8, C/4, 8]` of 4 c, or `[K/4/8, C/4, 8]` of 4 k by 4 c; C
    /// by unit, gate.
    Transposed(Product),
    /// The weight of a recurrent product over all time steps, by which a saved call's gates are made again,
    /// as [`WeightPart::SavedInputWeight`].
    Again(Product),
    /// `bias_ih` and `bias_hh` together, for the same.
    BothBiases,
    /// `weight_ih` of all directions on the way back, `[K/4/8, D*C/4, 8]` of 4 k by 4 c.
    TransposedInput,
}

impl WeightPart {
    /// The length of one direction's array, in numbers.
    pub(super) fn len(self, network: &Network, slot: &SlotSpec) -> u64 {
        match self {
            WeightPart::InputWeight => blocks(columns(slot, false), input_depth(network, slot.layer), FOUR),
            WeightPart::InputBias => (FOUR * columns(slot, false)).next_multiple_of(ALIGNMENT),
            WeightPart::SavedInputWeight => {
                blocks(columns(slot, true), input_depth(network, slot.layer), FOUR)
            }
            WeightPart::SavedInputBias | WeightPart::BothBiases => {
                (FOUR * columns(slot, true)).next_multiple_of(ALIGNMENT)
            }
            WeightPart::Again(of) => blocks(columns(slot, true), depth(of, slot), FOUR),
            WeightPart::Transposed(of) => {
                let (depth, units) = (transposed_depth(of, slot), transposed_units(of, slot));
                // In fours of units too, where invocations compute four.
                let fours = units.div_ceil(FOUR);
                blocks(fours, depth, FOUR).next_multiple_of(FOUR * FOUR * ALIGNMENT)
            }
            WeightPart::TransposedInput => {
                let depth = columns(slot, true).saturating_mul(network.direction_count() as u64);
                blocks(input_depth(network, slot.layer), depth, FOUR)
            }
            WeightPart::Product(of) => {
                let width = of.width() as u64;
                let len = blocks(units(of, slot), depth(of, slot), width);
                len.div_ceil(FOUR * width * ALIGNMENT).saturating_mul(FOUR * width * ALIGNMENT)
            }
            WeightPart::Parameters(equation) => {
                let width = equation.width() as u64;
                let vectors = equation.parameters(&slot.cell) as u64;
                product(&[(slot.hidden_size as u64).next_multiple_of(ALIGNMENT), vectors, width])
            }
        }
    }

    /// The type that the weight is stored as: biases stay f32.
    pub fn dtype(self, dtype: Dtype) -> Dtype {
        match self {
            WeightPart::InputBias
            | WeightPart::SavedInputBias
            | WeightPart::BothBiases
            | WeightPart::Parameters(_) => Dtype::F32,
            _ => dtype,
        }
    }

    /// True for a weight that only saved calls and their backward passes read.
    pub fn is_for_gradients(self) -> bool {
        matches!(
            self,
            WeightPart::SavedInputWeight
                | WeightPart::SavedInputBias
                | WeightPart::Transposed(_)
                | WeightPart::TransposedInput
                | WeightPart::Again(_)
                | WeightPart::BothBiases
        )
    }

    /// True for a weight that training steps read: saved calls, and backward passes that compute no gradient
    /// by the network's input.
    pub(super) fn is_for_training(self, slot: &SlotSpec, save: Save) -> bool {
        let (weight, bias) = input_parts(&slot.cell, save == Save::Gates);
        match self {
            WeightPart::InputWeight => self == weight,
            WeightPart::InputBias | WeightPart::SavedInputBias => Some(self) == bias,
            WeightPart::Again(_) | WeightPart::BothBiases => save == Save::States,
            WeightPart::TransposedInput => slot.layer > 0,
            WeightPart::SavedInputWeight
            | WeightPart::Product(_)
            | WeightPart::Parameters(_)
            | WeightPart::Transposed(_) => true,
        }
    }

    fn name(self) -> &'static str {
        match self {
            WeightPart::InputWeight => "weight_ih",
            WeightPart::InputBias => "bias_ih",
            WeightPart::SavedInputWeight => "weight_ih in fours",
            WeightPart::SavedInputBias => "bias_ih in fours",
            WeightPart::Transposed(Product::Projection) => "weight_hr back",
            WeightPart::Transposed(Product::Recurrent { first: 0, .. }) => "weight_hh back",
            WeightPart::Transposed(Product::Recurrent { .. }) => "weight_hh of later gates back",
            WeightPart::TransposedInput => "weight_ih back",
            WeightPart::Again(Product::Recurrent { first: 0, .. }) => "weight_hh again",
            WeightPart::Again(_) => "weight_hh of later gates again",
            WeightPart::BothBiases => "bias again",
            WeightPart::Product(Product::Projection) => "weight_hr",
            WeightPart::Product(Product::Recurrent { first: 0, .. }) => "weight_hh",
            WeightPart::Product(Product::Recurrent { .. }) => "weight_hh of later gates",
            WeightPart::Parameters(equation) => equation.parameters_name(),
        }
    }
}

/// A buffer of weights.
pub(super) struct WeightBuffer {
    pub key: KernelWeight,
    pub name: String,
    /// The length of one direction's array, in numbers.
    pub direction: u64,
    pub dtype: Dtype,
}

/// The weights of a layer: every one that a plan of the network can ask for.
pub(super) fn of_layer(network: &Network, limits: &Limits, dtype: Dtype, layer: usize) -> Vec<WeightBuffer> {
    let slots = network.layer(layer);
    let mut buffers = Vec::new();
    for part in parts(&slots[0].cell) {
        let (dtype, direction) = (part.dtype(dtype), part.len(network, &slots[0]));
        let bytes = product(&[direction, dtype.bytes(), slots.len() as u64]);
        // A weight of all directions at once is one array.
        let is_one = part == WeightPart::TransposedInput;
        let together = is_one || bytes <= limits.max_buffer_bytes;
        let count = if together && !is_one { slots.len() } else { 1 };
        for slot in slots.iter().step_by(if together { slots.len() } else { 1 }) {
            let holder = if together { format!("layer {layer}") } else { format!("slot {}", slot.index) };
            let name = format!("{holder} {}", part.name());
            let key = KernelWeight { layer, first: slot.direction, count, part };
            buffers.push(WeightBuffer { key, name, direction, dtype });
        }
    }
    buffers
}

/// The input's weight and bias, as a call reads them.
pub(super) fn input_parts(cell: &CellSpec, saves: bool) -> (WeightPart, Option<WeightPart>) {
    let (weight, bias) = match saves && gate_numbers(cell, true) != gate_numbers(cell, false) {
        true => (WeightPart::SavedInputWeight, WeightPart::SavedInputBias),
        false => (WeightPart::InputWeight, WeightPart::InputBias),
    };
    // With layer normalisation the biases come after it, and so with the cell's other parameters.
    (weight, (cell.has_bias && !cell.layer_norm).then_some(bias))
}

/// The kinds of weights that a cell has: of all calls, and then those of gradients.
pub(super) fn parts(cell: &CellSpec) -> Vec<WeightPart> {
    let mut parts = Vec::new();
    for saves in [false, true] {
        let (weight, bias) = input_parts(cell, saves);
        parts.extend([weight].into_iter().chain(bias).filter(|part| part.is_for_gradients() == saves));
    }
    for equation in Cell::equations(cell) {
        parts.extend(equation.product().map(WeightPart::Product));
        if equation.parameters(cell) > 0 {
            parts.push(WeightPart::Parameters(equation));
        }
    }
    parts
        .extend(Back::of(cell).into_iter().filter_map(|back| back.row().product).map(WeightPart::Transposed));
    parts.push(WeightPart::TransposedInput);
    let recurrent = Cell::equations(cell).into_iter().filter_map(Equation::product);
    parts.extend(recurrent.filter(|of| *of != Product::Projection).map(WeightPart::Again));
    if cell.has_bias && !cell.layer_norm {
        parts.push(WeightPart::BothBiases);
    }
    parts
}

/// The buffer of a weight, and how the directions lie in it.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub binding: Binding,
    /// The length of one direction's array, in numbers.
    pub direction: u64,
}

/// The weight of some directions of a layer; the weight's buffer is added to the buffers, if it is not there.
pub(super) fn weight(
    buffers: &mut PlanBuffers<'_>,
    network: &Network,
    limits: &Limits,
    slots: &[SlotSpec],
    part: WeightPart,
    dtype: Dtype,
) -> Result<Weight> {
    let slot = &slots[0];
    let found = of_layer(network, limits, dtype, slot.layer).into_iter().find(|buffer| {
        let KernelWeight { first, count, .. } = buffer.key;
        buffer.key.part == part && (first..first + count).contains(&slot.direction)
    });
    // A plan that asks for another weight has a fault, which every plan of such a cell would have.
    let WeightBuffer { key, name, direction, dtype } =
        found.unwrap_or_else(|| panic!("a cell of layer {} has no {part:?}", slot.layer));
    let KernelWeight { first, count, .. } = key;
    let buffer = buffers.weight(&name, key, direction.saturating_mul(count as u64), dtype)?;
    let bytes = direction.saturating_mul(dtype.bytes());
    let (needed, limit) = (bytes.saturating_mul(slots.len() as u64), binding_bytes(limits, dtype));
    if needed > limit {
        let (what, unit, holder) =
            (format!("buffer \"{name}\" of {}", buffers.title()), "bytes", "a binding of the adapter");
        return Err(Error::TooLarge { what, needed, limit, unit, holder });
    }
    let range = (slots.len() < count).then(|| ((slot.direction - first) as u64 * bytes, bytes));
    Ok(Weight { binding: Binding { buffer, range }, direction })
}

/// True if all directions of a weight, `direction` numbers each, fit into one buffer that a kernel can see as
/// a whole.
pub(super) fn fit_together(network: &Network, limits: &Limits, direction: u64, dtype: Dtype) -> bool {
    let bytes = product(&[direction, network.direction_count() as u64, dtype.bytes()]);
    bytes <= binding_bytes(limits, dtype)
}

/// Numbers of a unit in a row of the input's gates: a saved call keeps four of a GRU.
pub(super) fn gate_numbers(cell: &CellSpec, saves: bool) -> u64 {
    let gates = cell.cell.gates() as u64;
    if saves && gates > 1 { gates.next_multiple_of(FOUR) } else { gates }
}

/// The columns of a slot in the input's product, by unit and gate, in vectors of four; padded so that they
/// are whole units too.
pub(super) fn columns(slot: &SlotSpec, saves: bool) -> u64 {
    let gates = gate_numbers(&slot.cell, saves);
    let whole = if gates.is_multiple_of(FOUR) { gates } else { FOUR * gates };
    product(&[slot.hidden_size as u64, gates]).div_ceil(whole).saturating_mul(whole / FOUR)
}

/// Adjacent units that an invocation computes on the way back: four where reads are slow, one where there are
/// few invocations for a GPU.
pub(super) fn units_together(limits: &Limits) -> u64 {
    if limits.machine.is_software { FOUR } else { 1 }
}

/// The units that a product on the way back computes.
pub(super) fn transposed_units(of: Product, slot: &SlotSpec) -> u64 {
    match of {
        Product::Recurrent { .. } => slot.state_size as u64,
        Product::Projection => slot.hidden_size as u64,
    }
}

/// K of a product on the way back, in vectors of four: rows of all gates, of the candidate, or of the
/// projection's result.
pub(super) fn transposed_depth(of: Product, slot: &SlotSpec) -> u64 {
    match of {
        Product::Recurrent { first: 0, .. } => columns(slot, true),
        Product::Recurrent { .. } => (slot.hidden_size as u64).div_ceil(FOUR),
        Product::Projection => (slot.state_size as u64).div_ceil(FOUR),
    }
}

/// The arrays that a layer reads side by side, and the width of each.
pub(super) fn sources(network: &Network, layer: usize) -> (usize, usize) {
    match layer {
        0 => (1, network.input_size),
        _ => (network.merged_directions(), network.layer(layer - 1)[0].state_size),
    }
}

/// K of a layer's input product, in vectors of four; each source is padded by itself.
pub(super) fn input_depth(network: &Network, layer: usize) -> u64 {
    let (count, width) = sources(network, layer);
    (count as u64).saturating_mul((width as u64).div_ceil(FOUR))
}

/// The units that a product computes.
pub(super) fn units(of: Product, slot: &SlotSpec) -> u64 {
    match of {
        Product::Recurrent { .. } => slot.hidden_size as u64,
        Product::Projection => slot.state_size as u64,
    }
}

/// K of an equation's product, in vectors of four. A product that waits for the result of another equation
/// contracts over the units of that equation.
pub(super) fn depth(of: Product, slot: &SlotSpec) -> u64 {
    let size = match of {
        Product::Recurrent { first: 0, .. } => slot.state_size,
        Product::Recurrent { .. } | Product::Projection => slot.hidden_size,
    };
    (size as u64).div_ceil(FOUR)
}

/// The length of weights for `columns` units of `gates`, in whole blocks of units, and `depth` vectors of K.
pub(super) fn blocks(columns: u64, depth: u64, gates: u64) -> u64 {
    product(&[columns.div_ceil(BLOCK as u64), BLOCK as u64, depth, FOUR, gates])
}
