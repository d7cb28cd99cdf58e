//! The entries of a file's metadata that tell of a network beyond its tensors.

use crate::network::CellClip;
use crate::quote::quote;
use crate::{Activation, Cell, Config, Error, Result};
use std::collections::BTreeMap;

/// The key of the layers' cells, from the lowest layer on: `lstm,gru`. Every file that this library writes
/// has it.
pub(super) const CELLS: &str = "cells";

/// The key of activations other than the cells' own: `hard_sigmoid:0.2:0.5,tanh`.
pub(super) const ACTIVATIONS: &str = "activations";

/// The key of a vanilla RNN's activation, in files that have no cells.
const ACTIVATION: &str = "activation";

/// The entries that are known.
#[derive(Default)]
pub(super) struct Metadata {
    /// A cell for each layer.
    pub cells: Option<Vec<Cell>>,
    /// The value of [`Config::activations`].
    pub activations: Vec<Activation>,
    /// Text still, since the metadata of other cells may hold anything under this key.
    activation: Option<String>,
}

impl Metadata {
    pub fn parse(entries: BTreeMap<&str, &str>) -> Result<Metadata> {
        let cells = entries.get(CELLS).map(|text| {
            let names = text.split(',');
            names.map(|name| name.trim().parse().ok()).collect::<Option<Vec<Cell>>>().ok_or_else(|| {
                let known = Cell::ALL.map(Cell::name).join(", ");
                refused(CELLS, format!("a cell for each layer ({known})"), quote(text))
            })
        });
        let activations = entries.get(ACTIVATIONS).map(|text| {
            let names = text.split(',').map(|name| name.trim().parse().ok());
            names.collect::<Option<Vec<_>>>().ok_or_else(|| not_an_activation(ACTIVATIONS, text))
        });
        Ok(Metadata {
            cells: cells.transpose()?,
            activations: activations.transpose()?.unwrap_or_default(),
            activation: entries.get(ACTIVATION).map(|&text| text.to_owned()),
        })
    }

    /// A vanilla RNN's activation, where it has an entry of its own.
    pub fn activation(&self) -> Result<Option<Activation>> {
        let read = |text: &str| text.parse().map_err(|_| not_an_activation(ACTIVATION, text));
        self.activation.as_deref().map(read).transpose()
    }

    /// The entries of a network.
    pub fn of(config: &Config) -> BTreeMap<&'static str, String> {
        let cells = (0..config.num_layers).map(|layer| config.cell_of(layer).0.to_string());
        let mut entries = BTreeMap::from([(CELLS, cells.collect::<Vec<_>>().join(","))]);
        if !config.activations.is_empty() {
            let names: Vec<String> = config.activations.iter().map(Activation::to_string).collect();
            entries.insert(ACTIVATIONS, names.join(","));
        }
        entries
    }
}

/// The metadata of a file of weights.
pub(crate) fn entries(config: &Config) -> BTreeMap<&'static str, String> {
    Metadata::of(config)
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
