//! Layers that stand on each other, as networks.

use super::super::{Found, Recipe, Spelling, Stated};
use super::layer::Layer;
use super::{FAULT, Place};
use crate::weights::{TensorKind, TensorName};
use crate::{Cell, Directions, Layout, Merge, Reset, Result};
use std::collections::{BTreeMap, BTreeSet, HashSet};

/// The networks of a model's layers, in the order of their first nodes.
pub(super) fn networks<'a>(places: Vec<Place<'a>>) -> Result<Vec<Found<Recipe<'a>>>> {
    let above = above(&places);
    let uppers: HashSet<usize> = above.iter().flatten().copied().collect();
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for first in (0..places.len()).filter(|first| !uppers.contains(first)) {
        if let Some(place) = places.get(first) {
            let count = names.entry(place.name.clone()).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut places: Vec<Option<Place<'a>>> = places.into_iter().map(Some).collect();
    let mut networks = Vec::new();
    for first in (0..places.len()).filter(|first| !uppers.contains(first)) {
        let mut stack = Vec::new();
        let mut next = Some(first);
        while let Some(at) = next {
            stack.extend(places.get_mut(at).and_then(Option::take));
            next = above.get(at).copied().flatten();
        }
        networks.extend(network(stack, &names));
    }
    Ok(networks)
}

/// The layer that stands on each layer, if the two are of one network.
fn above(places: &[Place<'_>]) -> Vec<Option<usize>> {
    let mut above = vec![None; places.len()];
    let links: BTreeMap<usize, Merge> = places.iter().filter_map(|place| place.below).collect();
    // The merge of a layer's directions, for the layer above or for other nodes.
    let merge_of = |at: usize, place: &Place<'_>| links.get(&at).copied().unwrap_or_else(|| top_merge(place));
    for (at, place) in places.iter().enumerate() {
        let Some((below, merge)) = place.below else { continue };
        let Some(lower) = places.get(below) else { continue };
        let goes_on = lower.readers == 1 && lower.merges.is_empty();
        let (Ok(one), Ok(other)) = (&lower.layer, &place.layer) else { continue };
        if goes_on
            && are_alike(one, other)
            && merge_of(at, place) == merge
            && let Some(entry) = above.get_mut(below)
        {
            *entry = Some(at);
        }
    }
    above
}

/// The merge of the last layer's directions; where nodes read several, all directions are needed.
fn top_merge(place: &Place<'_>) -> Merge {
    let is_one = place.merges.len() == 1 && place.readers == 0;
    if is_one { place.merge } else { Merge::Concatenate }
}

/// True for layers whose options can be those of one network.
fn are_alike(one: &Layer<'_>, other: &Layer<'_>) -> bool {
    let kind = |layer: &Layer<'_>| std::mem::discriminant(&layer.cell);
    let has_peepholes =
        |layer: &Layer<'_>| layer.tensors.iter().any(|all| all.contains_key(&TensorKind::Peephole));
    let is_special = |layer: &Layer<'_>| {
        let is_before = matches!(layer.cell, Cell::Gru) && layer.reset == Reset::Before;
        is_before || layer.is_coupled || !layer.activations.is_empty() || has_peepholes(layer)
    };
    let is_one_kind = kind(one) == kind(other);
    let same = one.directions == other.directions
        && one.activations == other.activations
        && one.clip == other.clip
        && one.is_coupled == other.is_coupled
        && one.is_batch_first == other.is_batch_first
        && has_peepholes(one) == has_peepholes(other);
    let is_same_reset = !(is_one_kind && matches!(one.cell, Cell::Gru)) || one.reset == other.reset;
    same && is_same_reset && (is_one_kind || !(is_special(one) || is_special(other)))
}

/// The network of a stack of layers.
fn network<'a>(stack: Vec<Place<'a>>, names: &BTreeMap<String, usize>) -> Option<Found<Recipe<'a>>> {
    let first = stack.first()?;
    let is_unique = names.get(&first.name) == Some(&1);
    let name = if is_unique { first.name.clone() } else { format!("{}{}", first.path, first.name) };
    let spelling = Spelling::named(&name);
    let merge = stack.last().map_or(Merge::Concatenate, top_merge);
    let is_swapped = first.is_swapped;
    let (mut stated, mut tensors) = (Stated::default(), BTreeMap::new());
    let mut layers = Vec::new();
    for place in stack {
        match place.layer {
            Ok(layer) => layers.push(layer),
            Err(reason) => {
                stated.fault = Some((FAULT, reason));
                return Some(Found { name, spelling, tensors, stated });
            }
        }
    }
    state(&mut stated, &layers, merge, is_swapped);
    let kinds: BTreeSet<TensorKind> =
        layers.iter().flat_map(|layer| &layer.tensors).flat_map(|all| all.keys().copied()).collect();
    for (number, layer) in layers.into_iter().enumerate() {
        for (direction, mut all) in layer.tensors.into_iter().enumerate() {
            for (kind, len) in missing(layer.cell, layer.hidden, &kinds) {
                all.entry(kind).or_insert_with(|| Recipe::zeros(&[len]));
            }
            let named = |(kind, tensor)| (TensorName { layer: number, direction, kind }, tensor);
            tensors.extend(all.into_iter().map(named));
        }
    }
    Some(Found { name, spelling, tensors, stated })
}

/// Vectors that a layer has where another layer of the network has some.
fn missing(cell: Cell, hidden: usize, kinds: &BTreeSet<TensorKind>) -> Vec<(TensorKind, usize)> {
    let has = |kind| kinds.contains(&kind);
    let mut all = Vec::new();
    if has(TensorKind::BiasIh) {
        let rows = hidden.saturating_mul(cell.gates());
        all.extend([(TensorKind::BiasIh, rows), (TensorKind::BiasHh, rows)]);
    }
    if has(TensorKind::InitialH) || has(TensorKind::InitialC) {
        all.push((TensorKind::InitialH, hidden));
        if cell.has_cell_state() {
            all.push((TensorKind::InitialC, hidden));
        }
    }
    all
}

/// States what the nodes say of a network.
fn state(stated: &mut Stated, layers: &[Layer<'_>], merge: Merge, is_swapped: bool) {
    let Some(first) = layers.first() else { return };
    let attribute = |name: &str| format!("attribute {name}");
    stated.say_cells(layers.iter().map(|layer| layer.cell).collect(), "the operators");
    let directions = first.directions;
    stated.say("directions", attribute("direction"), |options| options.directions = directions);
    if directions == Directions::Both && merge != Merge::Concatenate {
        stated.say("merge", "the nodes above", |options| options.merge = merge);
    }
    if !first.activations.is_empty() {
        let activations = first.activations.clone();
        stated.say("activations", attribute("activations"), |options| options.activations = activations);
    }
    if layers.iter().any(|layer| layer.cell == Cell::Gru) {
        let reset = layers.iter().find(|layer| layer.cell == Cell::Gru).map_or(Reset::After, |gru| gru.reset);
        stated.say("gru_reset", attribute("linear_before_reset"), |options| options.gru_reset = reset);
    }
    if first.is_coupled {
        let word = attribute("input_forget");
        stated.say("coupled_input_forget", word, |options| options.coupled_input_forget = true);
    }
    if let Some(clip) = first.clip {
        stated
            .say("preactivation_clip", attribute("clip"), |options| options.preactivation_clip = Some(clip));
    }
    // The axes of the model's own input.
    if first.is_batch_first != is_swapped {
        stated.options.0.layout = Layout::Ntc;
    }
    let notes: BTreeSet<&String> = layers.iter().flat_map(|layer| &layer.notes).collect();
    stated.notes = notes.into_iter().cloned().collect();
}

/// A name by which merges are counted.
pub(super) const fn merge_name(merge: Merge) -> &'static str {
    match merge {
        Merge::Concatenate => "concatenate",
        Merge::Sum => "sum",
        Merge::Average => "average",
        Merge::Multiply => "multiply",
        Merge::Apart => "apart",
    }
}
