//! The names of weight tensors in PyTorch (`weight_ih_l0_reverse`) and Gluon 1.x (`r0_i2h_weight`).

use crate::Config;

/// Whose names the tensors of a file bear; the numbers are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Naming {
    /// `weight_ih_l0`, `bias_hh_l1_reverse` (torch/nn/modules/rnn.py).
    PyTorch,
    /// `l0_i2h_weight`, `r1_h2h_bias` (mxnet/gluon/rnn/rnn_layer.py, 1.x).
    Gluon,
}

/// Which of a slot's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    WeightIh,
    WeightHh,
    BiasIh,
    BiasHh,
}

/// A tensor's place in the network, which is its name in any scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct TensorName {
    pub layer: usize,
    /// 0 forward, 1 backward.
    pub direction: usize,
    pub kind: Kind,
}

impl Kind {
    /// In PyTorch's order.
    pub const ALL: [Kind; 4] = [Kind::WeightIh, Kind::WeightHh, Kind::BiasIh, Kind::BiasHh];

    pub const fn is_bias(self) -> bool {
        matches!(self, Kind::BiasIh | Kind::BiasHh)
    }

    const fn name(self, naming: Naming) -> &'static str {
        match (naming, self) {
            (Naming::PyTorch, Kind::WeightIh) => "weight_ih",
            (Naming::PyTorch, Kind::WeightHh) => "weight_hh",
            (Naming::PyTorch, Kind::BiasIh) => "bias_ih",
            (Naming::PyTorch, Kind::BiasHh) => "bias_hh",
            (Naming::Gluon, Kind::WeightIh) => "i2h_weight",
            (Naming::Gluon, Kind::WeightHh) => "h2h_weight",
            (Naming::Gluon, Kind::BiasIh) => "i2h_bias",
            (Naming::Gluon, Kind::BiasHh) => "h2h_bias",
        }
    }

    /// The shape of this tensor in a layer.
    pub fn shape(self, config: &Config, layer: usize) -> Vec<usize> {
        match self {
            Kind::WeightIh => vec![config.gate_rows(), config.layer_input_size(layer)],
            Kind::WeightHh => vec![config.gate_rows(), config.hidden_size],
            Kind::BiasIh | Kind::BiasHh => vec![config.gate_rows()],
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
        let digits = name.find(|c: char| c.is_ascii_digit())?;
        let length = name[digits..].bytes().take_while(u8::is_ascii_digit).count();
        let layer: u16 = name[digits..digits + length].parse().ok()?;
        let layer = usize::from(layer);
        [Naming::PyTorch, Naming::Gluon].into_iter().find_map(|naming| {
            let every = Kind::ALL
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
            for kind in Kind::ALL {
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
            "weight_hr_l0",
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
