//! The names that the arrays of networks have in files, with any prefix.

use super::super::{Naming, TensorKind, TensorName};
use crate::{Error, Result};
use std::collections::BTreeMap;

/// A file's spelling of the names of a network's tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Form {
    /// `weight_ih_l0_reverse`.
    PyTorch,
    /// `weight_ih`, of `nn.LSTMCell`.
    PyTorchCell,
    /// `r0_i2h_weight`.
    Gluon,
    /// `_unfused.0.r_cell.i2h_weight`, or `_unfused.0.i2h_weight` in a network of one direction.
    GluonUnfused { both: bool },
    /// `i2h_weight`, or `l_cell.i2h_weight` in a bidirectional cell.
    GluonCell { both: bool },
    /// `rnn_param`: all tensors in one vector.
    GluonFlat,
}

impl Form {
    pub const fn naming(self) -> Naming {
        match self {
            Form::PyTorch | Form::PyTorchCell => Naming::PyTorch,
            _ => Naming::Gluon,
        }
    }
}

/// The names of a network's tensors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Spelling {
    /// The letters before each name, with the separator behind them.
    pub prefix: String,
    pub form: Form,
}

impl Spelling {
    /// Names as the library writes them.
    pub fn plain(naming: Naming) -> Spelling {
        let form = if naming == Naming::PyTorch { Form::PyTorch } else { Form::Gluon };
        Spelling { prefix: String::new(), form }
    }

    /// PyTorch's names behind a network's own name, where a format has no names for tensors.
    pub fn named(network: &str) -> Spelling {
        let prefix = if network.is_empty() { String::new() } else { format!("{network}.") };
        Spelling { prefix, form: Form::PyTorch }
    }

    /// The network's name: the prefix without its separator.
    pub fn network(&self) -> &str {
        self.prefix.strip_suffix(SEPARATORS).unwrap_or(&self.prefix)
    }

    /// The name of a tensor.
    pub fn of(&self, name: TensorName) -> String {
        let kind = name.kind.name(self.form.naming());
        let (prefix, layer, side) = (&self.prefix, name.layer, ["l", "r"][name.direction.min(1)]);
        match self.form {
            Form::PyTorch => format!("{prefix}{}", name.format(Naming::PyTorch)),
            Form::Gluon => format!("{prefix}{}", name.format(Naming::Gluon)),
            Form::GluonUnfused { both: true } => format!("{prefix}_unfused.{layer}.{side}_cell.{kind}"),
            Form::GluonUnfused { both: false } => format!("{prefix}_unfused.{layer}.{kind}"),
            Form::GluonCell { both: true } => format!("{prefix}{side}_cell.{kind}"),
            Form::PyTorchCell | Form::GluonCell { both: false } => format!("{prefix}{kind}"),
            Form::GluonFlat => format!("{prefix}{FLAT}"),
        }
    }
}

/// The letters that end a prefix.
pub(crate) const SEPARATORS: [char; 3] = ['.', '/', '_'];

/// The name of the vector that has all tensors, in MXNet 2.
const FLAT: &str = "rnn_param";

/// Names of networks in MXNet's files of symbols.
const SYMBOLS: [&str; 2] = ["arg:", "aux:"];

/// A network by the names of its tensors, with the place of each among the names that were given.
pub(crate) type Group = (Spelling, BTreeMap<TensorName, usize>);

/// Sorts names by the networks that they belong to, and gives the places of the others.
pub(crate) fn group<'n>(names: impl Iterator<Item = &'n str>) -> Result<(Vec<Group>, Vec<usize>)> {
    let (mut groups, mut others) = (BTreeMap::<Spelling, BTreeMap<TensorName, usize>>::new(), Vec::new());
    for (place, name) in names.enumerate() {
        let Some((spelling, tensor)) = parse(name) else {
            others.push(place);
            continue;
        };
        if groups.entry(spelling).or_default().insert(tensor, place).is_some() {
            return Err(Error::DuplicateTensor { name: name.to_owned() });
        }
    }
    // A checkpoint of this library has a head and an optimiser beside the network at its root.
    if groups.keys().any(|spelling| spelling.prefix.is_empty()) {
        groups.retain(|spelling, _| !super::super::is_beside(&spelling.prefix));
    }
    let groups: Vec<Group> = groups.into_iter().collect();
    check_schemes(&groups)?;
    Ok((groups, others))
}

/// Refuses one prefix with names of both schemes.
fn check_schemes(groups: &[Group]) -> Result<()> {
    let first = |group: &Group| group.1.keys().next().map(|&name| group.0.of(name)).unwrap_or_default();
    for pair in groups.windows(2) {
        let [one, other] = pair else { continue };
        if one.0.prefix == other.0.prefix && one.0.form.naming() != other.0.form.naming() {
            // Forms are in order: PyTorch's are the first.
            return Err(Error::MixedNames { pytorch: first(one), gluon: first(other) });
        }
    }
    Ok(())
}

/// A tensor by its name in a file.
fn parse(name: &str) -> Option<(Spelling, TensorName)> {
    let name = SYMBOLS.iter().find_map(|symbol| name.strip_prefix(symbol)).unwrap_or(name);
    let (prefix, form, tensor) = pytorch(name).or_else(|| gluon(name))?;
    let is_whole = prefix.is_empty() || prefix.ends_with(SEPARATORS);
    is_whole.then(|| (Spelling { prefix: prefix.to_owned(), form }, tensor))
}

fn pytorch(name: &str) -> Option<(&str, Form, TensorName)> {
    let (rest, direction) = name.strip_suffix("_reverse").map_or((name, 0), |rest| (rest, 1));
    if let Some((rest, layer)) = rest.rsplit_once("_l")
        && let Some(layer) = number(layer)
    {
        let (prefix, kind) = kind_at_the_end(rest, Naming::PyTorch)?;
        return Some((prefix, Form::PyTorch, TensorName { layer, direction, kind }));
    }
    let (prefix, kind) = kind_at_the_end(name, Naming::PyTorch)?;
    // A cell of PyTorch has no other tensors.
    let is_cell = matches!(kind, TensorKind::WeightIh | TensorKind::WeightHh) || kind.is_bias();
    is_cell.then_some((prefix, Form::PyTorchCell, TensorName { layer: 0, direction: 0, kind }))
}

fn gluon(name: &str) -> Option<(&str, Form, TensorName)> {
    if let Some(prefix) = name.strip_suffix(FLAT) {
        let tensor = TensorName { layer: 0, direction: 0, kind: TensorKind::WeightIh };
        return Some((prefix, Form::GluonFlat, tensor));
    }
    let (rest, kind) = kind_at_the_end(name, Naming::Gluon)?;
    let (before, side) = match (rest.strip_suffix("l_cell."), rest.strip_suffix("r_cell.")) {
        (Some(before), _) => (before, Some(0)),
        (_, Some(before)) => (before, Some(1)),
        _ => (rest, None),
    };
    let (both, direction) = (side.is_some(), side.unwrap_or(0));
    if let Some((before, layer)) = before.strip_suffix('.').and_then(|before| before.rsplit_once('.'))
        && before.ends_with("_unfused")
        && let Some(layer) = number(layer)
    {
        let prefix = before.strip_suffix("_unfused")?;
        return Some((prefix, Form::GluonUnfused { both }, TensorName { layer, direction, kind }));
    }
    if let Some(before) = before.strip_suffix('_')
        && let Some(letter) = before.rfind(['l', 'r'])
        && let Some(layer) = before.get(letter.saturating_add(1)..).and_then(number)
        && !both
    {
        let (prefix, side) = before.split_at(letter);
        // `encoder0_` is the prefix of a cell, and no layer `r0`.
        if prefix.is_empty() || prefix.ends_with(SEPARATORS) {
            let direction = usize::from(side.starts_with('r'));
            return Some((prefix, Form::Gluon, TensorName { layer, direction, kind }));
        }
    }
    Some((before, Form::GluonCell { both }, TensorName { layer: 0, direction, kind }))
}

/// A name without its last part, which is a kind's.
fn kind_at_the_end(name: &str, naming: Naming) -> Option<(&str, TensorKind)> {
    let all = TensorKind::ALL.into_iter();
    all.filter_map(|kind| name.strip_suffix(kind.name(naming)).map(|rest| (rest, kind))).next()
}

/// A layer's number, as it is written.
fn number(text: &str) -> Option<usize> {
    let number: u16 = text.parse().ok()?;
    (number.to_string() == text).then_some(usize::from(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_told_and_given_back() {
        let forms = [
            Form::PyTorch,
            Form::PyTorchCell,
            Form::Gluon,
            Form::GluonUnfused { both: true },
            Form::GluonUnfused { both: false },
            Form::GluonCell { both: true },
            Form::GluonCell { both: false },
        ];
        for prefix in ["", "lstm.", "lstm0_", "model_state_dict.encoder.rnn.", "a/b/", "l0_", "0."] {
            for form in forms {
                let spelling = Spelling { prefix: prefix.into(), form };
                for (layer, direction) in [(0, 0), (0, 1), (9, 1), (10, 0), (123, 1)] {
                    let is_cell = matches!(form, Form::PyTorchCell | Form::GluonCell { .. });
                    let has_one = matches!(
                        form,
                        Form::PyTorchCell
                            | Form::GluonCell { both: false }
                            | Form::GluonUnfused { both: false }
                    );
                    let name = TensorName {
                        layer: if is_cell { 0 } else { layer },
                        direction: if has_one { 0 } else { direction },
                        kind: TensorKind::WeightHh,
                    };
                    let text = spelling.of(name);
                    // The prefix of a cell looks like a layer of a stack.
                    if prefix == "l0_" && matches!(form, Form::GluonCell { both: false }) {
                        continue;
                    }
                    assert_eq!(parse(&text), Some((spelling.clone(), name)), "{text}");
                    let symbol = format!("arg:{text}");
                    assert_eq!(parse(&symbol), Some((spelling.clone(), name)), "{symbol}");
                }
            }
        }
    }

    /// A cell whose prefix ends as a layer's name does.
    #[test]
    fn prefixes_of_cells_may_end_in_a_letter_and_a_number() {
        let cell = TensorName { layer: 0, direction: 0, kind: TensorKind::WeightIh };
        for prefix in ["encoder0_", "cell0_", "model3_", "net.layer1_"] {
            let spelling = Spelling { prefix: prefix.into(), form: Form::GluonCell { both: false } };
            assert_eq!(parse(&format!("{prefix}i2h_weight")), Some((spelling, cell)));
        }
    }

    #[test]
    fn near_misses_are_not_names() {
        for name in [
            "",
            "weight_ih_l",
            "weight_ih_l00",
            "weight_ih_l0_",
            "xweight_ih_l0",
            "weight_hr",
            "l0_i2h",
            "weight_ih_l99999999999999999999",
            "l-1_i2h_weightx",
            "weight_ih_l0_reverse_reverse",
        ] {
            assert_eq!(parse(name), None, "{name}");
        }
    }
}
