//! The entries of a file's metadata that tell of a network beyond its tensors.

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

fn not_an_activation(key: &str, text: &str) -> Error {
    let known = Activation::ALL.map(|activation| activation.to_string()).join(", ");
    refused(key, format!("names among {known}"), quote(text))
}

pub(super) fn refused(key: &str, expected: String, found: String) -> Error {
    Error::Metadata { key: key.into(), expected, found }
}
