//! One layer and direction, or a share of its units: weights as the engine reads them, and settings.

use super::aligned::{Aligned, LINE, padded};
use super::arch::Arch;
use super::packed_weight::PackedWeight;
use crate::network::SlotSpec;
use crate::weights::TensorKind;
use crate::{Cell, Weights};
use ndarray::{ArrayView1, ArrayView2, Axis, Slice};
use std::ops::Range;

/// Units below which a direction is not shared out.
const LEAST_UNITS: usize = 64;

/// The units that one thread computes, and the part of the hidden state that comes of them or that the same
/// thread projects, in whole lines.
#[derive(Clone, Debug)]
pub struct Share {
    pub units: Range<usize>,
    pub states: Range<usize>,
}

impl Share {
    /// All units of a direction.
    pub fn whole(spec: &SlotSpec) -> Share {
        Share { units: 0..spec.hidden_size, states: 0..spec.state_size }
    }

    /// All shares of a direction, `most` at most. A layer normalisation is over all units of a direction,
    /// which then has one share.
    pub fn all(spec: &SlotSpec, most: usize) -> impl ExactSizeIterator<Item = Share> {
        let (size, state) = (spec.hidden_size, spec.state_size);
        let count = if spec.cell.layer_norm { 1 } else { most.min(size.min(state) / LEAST_UNITS).max(1) };
        (0..count).map(move |index| {
            let range = |size: usize| {
                let bound = |index: usize| (padded(size) / LINE * index / count * LINE).min(size);
                bound(index)..bound(index + 1)
            };
            Share { units: range(size), states: range(state) }
        })
    }
}

#[derive(Debug)]
pub struct PackedSlot {
    pub arch: Arch,
    /// H and P are those of the share.
    pub spec: SlotSpec,
    pub share: Share,
    /// W_ih x + b_ih
    pub input: PackedWeight,
    /// W_hh h + b_hh; of a GRU with reset before, those of r and z alone.
    pub recurrent: PackedWeight,
    /// W_hn h + b_hn of a GRU with reset before.
    pub candidate: Option<PackedWeight>,
    /// W_hr m
    pub projection: Option<PackedWeight>,
    /// The peepholes of gates i, o, f, `[3, Hp]`.
    pub peepholes: Option<Aligned>,
    pub norm: Option<Norm>,
}

/// Layer normalisation of the input's product, the recurrent one and the cell state.
#[derive(Debug)]
pub struct Norm {
    /// Gates and units that a product has.
    pub gates: usize,
    pub ih: [Aligned; 2],
    pub hh: [Aligned; 2],
    pub c: [Aligned; 2],
}

impl PackedSlot {
    pub fn pack(arch: Arch, weights: &Weights, spec: &SlotSpec, share: Share) -> PackedSlot {
        let slot = weights.slot(spec.index);
        let (gates, units) = (spec.cell.cell.gates(), spec.hidden_size);
        let Share { units: own, states } = share.clone();
        let lines = |kind: TensorKind, blocks: usize, added: Option<ArrayView1<'_, f32>>| {
            let numbers = slot.vector(kind)?;
            let stride = padded(own.len());
            let mut lines = Aligned::zeros(blocks * stride);
            for block in 0..blocks {
                for (place, unit) in own.clone().enumerate() {
                    let index = block * units + unit;
                    lines[block * stride + place] = numbers[index] + added.map_or(0.0, |added| added[index]);
                }
            }
            Some(lines)
        };
        // A product's bias follows its normalisation, and is one with that one's.
        let of_gates = |weight, bias, added| Some([lines(weight, gates, None)?, lines(bias, gates, added)?]);
        let norm = || {
            Some(Norm {
                gates,
                ih: of_gates(TensorKind::NormIhWeight, TensorKind::NormIhBias, slot.bias_ih())?,
                hh: of_gates(TensorKind::NormHhWeight, TensorKind::NormHhBias, slot.bias_hh())?,
                c: [lines(TensorKind::NormCWeight, 1, None)?, lines(TensorKind::NormCBias, 1, None)?],
            })
        };
        let norm = norm();
        let [bias_ih, bias_hh] = match norm {
            Some(_) => [None, None],
            None => [slot.bias_ih(), slot.bias_hh()],
        };
        let pack = |weight, bias, gates| PackedWeight::pack(arch, weight, bias, gates, own.clone());
        // The row blocks of each recurrent product: of all gates, or of some and then of the others.
        let mut recurrent = Cell::products(&spec.cell).map(|gates: Range<usize>| {
            let rows = Slice::from(gates.start * units..gates.end * units);
            let bias = bias_hh.map(|bias| bias.slice_axis_move(Axis(0), rows));
            pack(slot.weight_hh().slice_axis_move(Axis(0), rows), bias, gates.len())
        });
        PackedSlot {
            arch,
            spec: SlotSpec { hidden_size: own.len(), state_size: states.len(), ..spec.clone() },
            share,
            input: pack(slot.weight_ih(), bias_ih, gates),
            recurrent: recurrent.next().expect("every cell has a recurrent product"),
            candidate: recurrent.next(),
            projection: slot
                .matrix(TensorKind::WeightHr)
                .map(|weight| PackedWeight::pack(arch, weight, None, 1, states.clone())),
            peepholes: lines(TensorKind::Peephole, 3, None),
            norm,
        }
    }

    /// The product after the update: of a GRU's candidate with reset before, or of a projection.
    pub fn second_product(&self) -> Option<&PackedWeight> {
        self.candidate.as_ref().or(self.projection.as_ref())
    }

    /// True if other threads have more of the units.
    pub fn is_shared(&self) -> bool {
        self.spec.state_size < self.recurrent.depth()
    }

    /// Hp: H in whole lines.
    pub fn units(&self) -> usize {
        padded(self.spec.hidden_size)
    }

    /// The hidden state in whole lines.
    pub fn state(&self) -> usize {
        padded(self.spec.state_size)
    }
}

/// The weights of a slot as its backward pass reads them: transposed.
#[derive(Debug)]
pub struct Transposed {
    /// From the gradients of pre-activations, `[G, Hp]`, to that of the input.
    pub input: PackedWeight,
    /// From those of the first recurrent product to that of its operand.
    pub recurrent: PackedWeight,
    /// From that of the candidate of a GRU with reset before to that of r ∘ h.
    pub candidate: Option<PackedWeight>,
    /// From that of the projected state to that of the output before.
    pub projection: Option<PackedWeight>,
}

impl Transposed {
    pub fn pack(arch: Arch, weights: &Weights, spec: &SlotSpec) -> Transposed {
        let (slot, units) = (weights.slot(spec.index), spec.hidden_size);
        // Rows of some gates, each gate in whole lines, are K.
        let transposed = |weight: ArrayView2<'_, f32>, gates: Range<usize>, units: usize| {
            let (numbers, width) = (weight.to_slice().expect("a weight in one piece"), weight.ncols());
            let (stride, none) = (padded(units), vec![0.0; width]);
            let row = |k: usize| match k % stride {
                unit if unit < units => {
                    &numbers[((gates.start + k / stride) * units + unit) * width..][..width]
                }
                _ => &none[..],
            };
            let mut packed = PackedWeight::default();
            // A row of the product is in whole lines, however narrow the vectors are.
            packed.pack_rows(arch, padded(width), (0..gates.len() * stride).map(row));
            packed
        };
        let mut recurrent =
            Cell::products(&spec.cell).map(|gates| transposed(slot.weight_hh(), gates, units));
        Transposed {
            input: transposed(slot.weight_ih(), 0..spec.cell.cell.gates(), units),
            recurrent: recurrent.next().expect("every cell has a recurrent product"),
            candidate: recurrent.next(),
            projection: slot
                .matrix(TensorKind::WeightHr)
                .map(|weight| transposed(weight, 0..1, weight.nrows())),
        }
    }
}
