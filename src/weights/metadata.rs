//! The entries of a file's metadata that tell of a network beyond its tensors.
#![deny(clippy::arithmetic_side_effects)]

use super::formats::Stated;
use crate::network::CellClip;
use crate::quote::quote;
use crate::{Activation, Cell, Config, Directions, Error, Layout, Merge, Reset, Result};
use std::collections::BTreeMap;

/// The key of the layers' cells, from the lowest layer on: `lstm,gru`. Every file that this library writes
/// has it.
pub(super) const CELLS: &str = "cells";

/// The key of activations other than the cells' own: `hard_sigmoid:0.2:0.5,tanh`.
pub(super) const ACTIVATIONS: &str = "activations";

/// The most activations of a cell, in both directions.
const MAX_ACTIVATIONS: usize = 6;

/// The key of a vanilla RNN's activation, in files that have no cells.
const ACTIVATION: &str = "activation";

/// The key of a layout, in which the network was trained.
const LAYOUT: &str = "layout";

/// The statements of a safetensors file's metadata. Options are read beside the cells alone: other files may
/// hold anything under these keys.
pub(super) fn stated(entries: &BTreeMap<&str, &str>) -> Result<Stated> {
    let mut stated = Stated::default();
    let word = |key: &str| format!("metadata {key:?}");
    if let Some(text) = entries.get(ACTIVATIONS) {
        let names = text.split(',').map(|name| name.trim().parse().ok());
        let found: Option<Vec<Activation>> = names.collect();
        let found = found.ok_or_else(|| not_an_activation(ACTIVATIONS, text))?;
        if found.len() > MAX_ACTIVATIONS {
            let expected = format!("at most {MAX_ACTIVATIONS} names");
            return Err(refused(ACTIVATIONS, expected, found.len().to_string()));
        }
        stated.say(ACTIVATIONS, word(ACTIVATIONS), |options| options.activations = found);
    }
    stated.activation = entries.get(ACTIVATION).map(|&text| text.into());
    let Some(text) = entries.get(CELLS) else { return Ok(stated) };
    let cells: Option<Vec<Cell>> = text.split(',').map(|name| name.trim().parse().ok()).collect();
    let known = Cell::ALL.map(Cell::name).join(", ");
    let expected = || refused(CELLS, format!("a cell for each layer ({known})"), quote(text));
    stated.say_cells(cells.ok_or_else(expected)?, word(CELLS));
    for (key, set) in OPTIONS {
        if let Some(text) = entries.get(key) {
            let mut options = stated.options.0.clone();
            set(&mut options, text)
                .ok_or_else(|| refused(key, "a value of this option".into(), quote(text)))?;
            stated.say(key, word(key), |all| *all = options);
        }
    }
    if let Some(text) = entries.get(LAYOUT) {
        stated.options.0.layout = match *text {
            "tnc" => Layout::Tnc,
            "ntc" => Layout::Ntc,
            _ => return Err(refused(LAYOUT, "tnc or ntc".into(), quote(text))),
        };
    }
    Ok(stated)
}

/// Sets an option from the text that [`settings`] gives of it.
type Set = fn(&mut Config, &str) -> Option<()>;

/// The options that an entry tells, each under its name in [`settings`]; an option that is off has no entry.
const OPTIONS: [(&str, Set); 7] = [
    ("directions", |config, text| {
        config.directions = of_debug(text, &[Directions::Forward, Directions::Reverse, Directions::Both])?;
        Some(())
    }),
    ("merge", |config, text| {
        let all = [Merge::Concatenate, Merge::Sum, Merge::Average, Merge::Multiply, Merge::Apart];
        config.merge = of_debug(text, &all)?;
        Some(())
    }),
    ("residual", |config, text| text.parse().ok().map(|is_set| config.residual = is_set)),
    ("gru_reset", |config, text| {
        config.gru_reset = of_debug(text, &[Reset::After, Reset::Before])?;
        Some(())
    }),
    ("coupled_input_forget", |config, text| {
        text.parse().ok().map(|is_set| config.coupled_input_forget = is_set)
    }),
    ("cell_clip", |config, text| {
        let (bounds, nan) = text.strip_suffix(",nan").map_or((text, false), |bounds| (bounds, true));
        let (min, max) = bounds.split_once(',')?;
        let (min, max) = (min.parse().ok()?, max.parse().ok()?);
        config.cell_clip = Some(CellClip { min, max, nan });
        Some(())
    }),
    ("preactivation_clip", |config, text| {
        text.parse().ok().map(|clip| config.preactivation_clip = Some(clip))
    }),
];

/// The value of this name.
fn of_debug<T: Copy + std::fmt::Debug>(text: &str, all: &[T]) -> Option<T> {
    all.iter().copied().find(|value| format!("{value:?}").to_lowercase() == text)
}

/// A vanilla RNN's activation, where it has an entry of its own.
pub(super) fn activation(stated: &Stated) -> Result<Option<Activation>> {
    let read = |text: &str| text.parse().map_err(|_| not_an_activation(ACTIVATION, text));
    stated.activation.as_deref().map(read).transpose()
}

/// The metadata of a file of weights: the cells, and the options that are set.
pub(crate) fn entries(config: &Config) -> BTreeMap<&'static str, String> {
    let cells = (0..config.num_layers).map(|layer| config.cell_of(layer).0.to_string());
    let mut entries = BTreeMap::from([(CELLS, cells.collect::<Vec<_>>().join(","))]);
    if !config.activations.is_empty() {
        let names: Vec<String> = config.activations.iter().map(Activation::to_string).collect();
        entries.insert(ACTIVATIONS, names.join(","));
    }
    let plain = settings(&Config::new(config.cell, config.hidden_size));
    let all = settings(config);
    for (key, _) in OPTIONS {
        // Tensors tell that there are two directions.
        let is_told = key == "directions" && config.directions == Directions::Both;
        if all[key] != plain[key] && !is_told {
            entries.insert(key, all[key].clone());
        }
    }
    if config.layout == Layout::Ntc {
        entries.insert(LAYOUT, "ntc".into());
    }
    entries
}

/// Every setting of a network that its weights or its numbers depend on, by name.
pub(crate) fn settings(config: &Config) -> BTreeMap<&'static str, String> {
    let Config {
        cell: _,
        hidden_size: _,
        num_layers,
        stack: _,
        proj_size,
        directions,
        merge,
        residual,
        layout: _, // no number depends on it
        bias,
        input_size,
        activations,
        gru_reset,
        peepholes,
        coupled_input_forget,
        layer_norm,
        cell_clip,
        preactivation_clip,
        learned_state,
    } = config;
    let layers = || (0..*num_layers).map(|layer| config.cell_of(layer));
    let list = |texts: Vec<String>| if texts.is_empty() { "none".to_owned() } else { texts.join(",") };
    let cell_clip = cell_clip.map(|CellClip { min, max, nan }| {
        let nan = if nan { ",nan" } else { "" };
        format!("{min},{max}{nan}")
    });
    BTreeMap::from([
        ("cells", list(layers().map(|(cell, _)| cell.to_string()).collect())),
        ("hidden_sizes", list(layers().map(|(_, size)| size.to_string()).collect())),
        ("proj_size", proj_size.to_string()),
        ("directions", format!("{directions:?}").to_lowercase()),
        ("merge", format!("{merge:?}").to_lowercase()),
        ("residual", residual.to_string()),
        ("bias", bias.to_string()),
        ("input_size", input_size.to_string()),
        ("activations", list(activations.iter().map(Activation::to_string).collect())),
        ("gru_reset", format!("{gru_reset:?}").to_lowercase()),
        ("peepholes", peepholes.to_string()),
        ("coupled_input_forget", coupled_input_forget.to_string()),
        ("layer_norm", layer_norm.to_string()),
        ("cell_clip", list(cell_clip.into_iter().collect())),
        ("preactivation_clip", list(preactivation_clip.iter().map(f32::to_string).collect())),
        ("learned_state", learned_state.to_string()),
    ])
}

fn not_an_activation(key: &str, text: &str) -> Error {
    let known = Activation::ALL.map(|activation| activation.to_string()).join(", ");
    refused(key, format!("names among {known}"), quote(text))
}

pub(super) fn refused(key: &str, expected: String, found: String) -> Error {
    Error::Metadata { key: key.into(), expected, found }
}
