//! The cells of a file, by the paths of their arrays.

use super::super::Budget;
use super::super::hdf5::Tree;
use super::model::Model;
use crate::Result;
use std::collections::BTreeMap;

/// The arrays of a cell.
pub(super) struct Place {
    /// 0 forward, 1 reverse.
    pub direction: usize,
    pub kernel: String,
    pub recurrent: String,
    /// The bias, which the file may not have.
    pub bias: String,
}

/// Bytes of memory for a cell, beside its names.
const CELL: u64 = 256;

/// The group of the weights in a file with a whole model.
const WEIGHTS: &str = "model_weights";

/// The cells of each network, by the network's name.
pub(super) fn places(
    tree: &Tree<'_>,
    model: &Model,
    budget: &Budget,
) -> Result<BTreeMap<String, Vec<Place>>> {
    let mut found = BTreeMap::<String, Vec<Place>>::new();
    let has_model = tree.texts.contains_key(WEIGHTS);
    for array in &tree.arrays {
        let (group, last) = array.name.rsplit_once('/').unwrap_or(("", &array.name));
        let told = if let Some(cell) = group.strip_suffix("/vars")
            && last == "1"
            && let Some(layer) = cell.strip_suffix("/cell")
        {
            let (name, direction) = keras_3(layer, tree, model);
            let of = |number: &str| format!("{group}/{number}");
            Some((name, direction, [of("0"), of("1"), of("2")]))
        } else if let Some(end) = last.strip_prefix("recurrent_kernel")
            && (end.is_empty() || end.starts_with(':'))
            && (!has_model || group.starts_with(WEIGHTS))
        {
            let (name, direction) = keras_2(group, model);
            let of = |word: &str| format!("{group}/{word}{end}");
            Some((name, direction, [of("kernel"), of("recurrent_kernel"), of("bias")]))
        } else {
            None
        };
        let Some((name, direction, arrays)) = told else { continue };
        let len = arrays.iter().map(String::len).fold(name.len(), usize::saturating_add);
        budget.bytes("Keras", (len as u64).saturating_add(CELL))?;
        let [kernel, recurrent, bias] = arrays;
        found.entry(name).or_default().push(Place { direction, kernel, recurrent, bias });
    }
    for places in found.values_mut() {
        // A layer may itself be named forward or backward.
        if let [only] = places.as_mut_slice() {
            only.direction = 0;
        }
    }
    Ok(found)
}

/// Name and direction of `layers/bidirectional/forward_layer`.
fn keras_3(layer: &str, tree: &Tree<'_>, model: &Model) -> (String, usize) {
    let (layer, direction) = match layer.rsplit_once('/') {
        Some((layer, "forward_layer")) => (layer, 0),
        Some((layer, "backward_layer")) => (layer, 1),
        _ => (layer, 0),
    };
    let (mut path, mut name) = (String::new(), String::new());
    for segment in layer.split('/') {
        path += if path.is_empty() { "" } else { "/" };
        path += segment;
        // A list of layers, which has no name.
        if segment == "layers" || segment == "_layer_checkpoint_dependencies" {
            continue;
        }
        let plain = segment.rsplit('\\').next().unwrap_or(segment);
        let place = if name.is_empty() { plain.to_owned() } else { format!("{name}/{plain}") };
        // Keras 3.3 and before has no names.
        let own = tree.text(&format!("{path}/vars"), "name");
        let own = own.or_else(|| model.places.get(&place).map(String::as_str)).unwrap_or(plain);
        name += if name.is_empty() { "" } else { "/" };
        name += own;
    }
    (name, direction)
}

/// Name and direction of `model_weights/enc/enc/forward_lstm/lstm_cell`.
fn keras_2(group: &str, model: &Model) -> (String, usize) {
    let group = group.strip_prefix(WEIGHTS).unwrap_or(group).trim_start_matches('/');
    let (layer, path) = group.split_once('/').unwrap_or((group, ""));
    let mut path: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    if path.last().is_some_and(|last| last.contains("_cell")) {
        path.pop();
    }
    // A layer within a Bidirectional may have a name of its own.
    let own = |key: &str| model.layers.get(layer)?.config.get(key)?.get("config")?.get("name")?.as_str();
    let direction = match path.last() {
        Some(last) if last.starts_with("forward_") => Some(0),
        Some(last) if last.starts_with("backward_") => Some(1),
        Some(&last) if own("backward_layer") == Some(last) => Some(1),
        Some(&last) if own("layer") == Some(last) => Some(0),
        _ => None,
    };
    if direction.is_some() {
        path.pop();
    }
    // A model within the model has its layers' names behind its own.
    let name = match path.last() {
        Some(&inner) if inner != layer && !model.layers.contains_key(layer) => format!("{layer}/{inner}"),
        _ => layer.to_owned(),
    };
    (name, direction.unwrap_or(0))
}
