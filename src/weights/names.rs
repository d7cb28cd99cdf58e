//! The names of weight tensors in PyTorch (`weight_ih_l0_reverse`) and Gluon 1.x (`r0_i2h_weight`).
#![deny(clippy::arithmetic_side_effects)]

use crate::network::{CellSpec, SlotSpec};

/// Whose names the tensors of a file bear; the numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `weight_ih_l0`, `bias_hh_l1_reverse` (torch/nn/modules/rnn.py).
    PyTorch,
    /// `l0_i2h_weight`, `r1_h2h_bias` (mxnet/gluon/rnn/rnn_layer.py, 1.x).
    Gluon,
}

/// The first letters of tensors that a checkpoint has beside the weights: those of a head, of an optimiser,
/// and of states that are carried from batch to batch. Readers of weights pass over them.
const BESIDE: [&str; 3] = ["head.", "optimizer.", "carried."];

/// True for the name of a tensor that a checkpoint has beside the weights.
pub(crate) fn is_beside(name: &str) -> bool {
    BESIDE.iter().any(|first| name.starts_with(first))
}

/// Which of a slot's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum TensorKind {
    WeightIh,
    WeightHh,
    BiasIh,
    BiasHh,
    /// The projection.
    WeightHr,
    /// The peepholes of gates i, o and f, as in ONNX.
    Peephole,
    /// Layer normalisation of the input's product, the recurrent product, and the cell state: gain and bias
    /// each.
    NormIhWeight,
    NormIhBias,
    NormHhWeight,
    NormHhBias,
    NormCWeight,
    NormCBias,
    /// The learned initial state.
    InitialH,
    InitialC,
}

/// A tensor's place in the network, which is its name in any scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TensorName {
    pub layer: usize,
    /// 0 forward, 1 reverse.
    pub direction: usize,
    pub kind: TensorKind,
}

impl TensorKind {
    /// In PyTorch's order.
    pub const ALL: [TensorKind; 14] = [
        TensorKind::WeightIh,
        TensorKind::WeightHh,
        TensorKind::BiasIh,
        TensorKind::BiasHh,
        TensorKind::WeightHr,
        TensorKind::Peephole,
        TensorKind::NormIhWeight,
        TensorKind::NormIhBias,
        TensorKind::NormHhWeight,
        TensorKind::NormHhBias,
        TensorKind::NormCWeight,
        TensorKind::NormCBias,
        TensorKind::InitialH,
        TensorKind::InitialC,
    ];

    pub const fn is_bias(self) -> bool {
        matches!(self, TensorKind::BiasIh | TensorKind::BiasHh)
    }

    /// True if the tensor has two axes.
    pub const fn is_matrix(self) -> bool {
        matches!(self, TensorKind::WeightIh | TensorKind::WeightHh | TensorKind::WeightHr)
    }

    /// The tensors that the slots of a layer have.
    pub fn of(slot: &SlotSpec) -> impl Iterator<Item = TensorKind> + use<> {
        let CellSpec { cell, has_bias, has_projection, has_learned_state, peepholes, layer_norm, .. } =
            slot.cell;
        TensorKind::ALL.into_iter().filter(move |kind| match kind {
            TensorKind::WeightIh | TensorKind::WeightHh => true,
            TensorKind::BiasIh | TensorKind::BiasHh => has_bias,
            TensorKind::WeightHr => has_projection,
            TensorKind::Peephole => peepholes,
            TensorKind::InitialH => has_learned_state,
            TensorKind::InitialC => has_learned_state && cell.has_cell_state(),
            _ => layer_norm,
        })
    }

    const fn names(self) -> [&'static str; 2] {
        match self {
            TensorKind::WeightIh => ["weight_ih", "i2h_weight"],
            TensorKind::WeightHh => ["weight_hh", "h2h_weight"],
            TensorKind::BiasIh => ["bias_ih", "i2h_bias"],
            TensorKind::BiasHh => ["bias_hh", "h2h_bias"],
            TensorKind::WeightHr => ["weight_hr", "h2r_weight"],
            TensorKind::Peephole => ["weight_peephole", "peephole_weight"],
            TensorKind::NormIhWeight => ["weight_norm_ih", "i2h_norm_gamma"],
            TensorKind::NormIhBias => ["bias_norm_ih", "i2h_norm_beta"],
            TensorKind::NormHhWeight => ["weight_norm_hh", "h2h_norm_gamma"],
            TensorKind::NormHhBias => ["bias_norm_hh", "h2h_norm_beta"],
            TensorKind::NormCWeight => ["weight_norm_c", "c_norm_gamma"],
            TensorKind::NormCBias => ["bias_norm_c", "c_norm_beta"],
            TensorKind::InitialH => ["initial_h", "initial_h"],
            TensorKind::InitialC => ["initial_c", "initial_c"],
        }
    }

    /// The name without layer and direction.
    pub const fn name(self, naming: Naming) -> &'static str {
        self.names()[match naming {
            Naming::PyTorch => 0,
            Naming::Gluon => 1,
        }]
    }

    /// The shape of this tensor in a layer.
    pub fn shape(self, layer: &SlotSpec) -> Vec<usize> {
        match self {
            TensorKind::WeightIh => vec![layer.gate_rows(), layer.input_size],
            TensorKind::WeightHh => vec![layer.gate_rows(), layer.state_size],
            TensorKind::WeightHr => vec![layer.state_size, layer.hidden_size],
            TensorKind::Peephole => vec![layer.hidden_size.saturating_mul(3)],
            TensorKind::BiasIh
            | TensorKind::BiasHh
            | TensorKind::NormIhWeight
            | TensorKind::NormIhBias
            | TensorKind::NormHhWeight
            | TensorKind::NormHhBias => vec![layer.gate_rows()],
            TensorKind::NormCWeight | TensorKind::NormCBias | TensorKind::InitialC => vec![layer.hidden_size],
            TensorKind::InitialH => vec![layer.state_size],
        }
    }
}

impl TensorName {
    pub fn format(self, naming: Naming) -> String {
        let TensorName { layer, direction, kind } = self;
        let kind = kind.name(naming);
        match naming {
            Naming::PyTorch => {
                let suffix = ["", "_reverse"][direction];
                format!("{kind}_l{layer}{suffix}")
            }
            Naming::Gluon => {
                let prefix = ["l", "r"][direction];
                format!("{prefix}{layer}_{kind}")
            }
        }
    }

    /// Tells the scheme by itself; any name that [`format`](Self::format) does not give back is refused.
    pub fn parse(name: &str) -> Option<(Naming, TensorName)> {
        let (_, digits) = name.split_at_checked(name.find(|c: char| c.is_ascii_digit())?)?;
        let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let layer: u16 = digits.get(..end)?.parse().ok()?;
        let layer = usize::from(layer);
        [Naming::PyTorch, Naming::Gluon].into_iter().find_map(|naming| {
            let every = TensorKind::ALL
                .into_iter()
                .flat_map(|kind| [0, 1].map(|direction| TensorName { layer, direction, kind }));
            let found = every.into_iter().find(|candidate| candidate.format(naming) == name)?;
            Some((naming, found))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_told_apart_and_given_back() {
        for naming in [Naming::PyTorch, Naming::Gluon] {
            for kind in TensorKind::ALL {
                for (layer, direction) in [(0, 0), (0, 1), (9, 1), (10, 0), (123, 1)] {
                    let name = TensorName { layer, direction, kind };
                    assert_eq!(TensorName::parse(&name.format(naming)), Some((naming, name)));
                }
            }
        }
    }

    #[test]
    fn near_misses_are_not_names() {
        for name in [
            "",
            "weight_ih",
            "weight_ih_l",
            "weight_ih_l00",
            "weight_ih_l0_",
            "l0_i2h",
            "m0_i2h_weight",
            "l0_i2h_weight_reverse",
            "weight_ih_l99999999999999999999",
            "lstm.weight_ih_l0",
            "l-1_i2h_weight",
            "l٣_i2h_weight",
        ] {
            assert_eq!(TensorName::parse(name), None, "{name}");
        }
    }
}
