//! Keras: the networks of `.keras`, `.weights.h5` and Keras 2's `.h5`.
//!
//! A layer is a network, by the layer's name, behind the names of the models that it lies in. A cell's arrays
//! are `kernel` `[I, G*H]`, `recurrent_kernel` `[H, G*H]` and `bias`; Keras 3 numbers them, and Keras 2 names
//! them. Gates are in the order i, f, c, o (LSTM) and z, r, h (GRU). A GRU has one bias (`[3*H]`, reset
//! before the recurrent product) or two (`[2, 3*H]`, after).
//!
//! The stored configuration states the rest: `layer.rs`. `.weights.h5` has none.

mod find;
mod layer;
mod model;

use super::hdf5::Tree;
use super::{Budget, Fault, Found, Opened, Opening, Recipe, Spelling, Stated, View, zip};
use crate::quote::quote;
use crate::weights::{TensorKind, TensorName};
use crate::{Cell, Naming, Reset, Result};
use find::Place;
use layer::state;
use model::Model;
use std::collections::BTreeMap;

const FAULT: Fault = Fault::new("Keras");

/// The members of a `.keras` file.
const WEIGHTS: &str = "model.weights.h5";
const CONFIG: &str = "config.json";
const METADATA: &str = "metadata.json";

/// True for the archive that a `.keras` file is.
pub(super) fn is_archive(archive: &zip::Archive<'_>) -> bool {
    archive.find(CONFIG).is_some() && archive.find(METADATA).is_some()
}

/// A `.keras` file.
pub(super) fn open_archive<'a>(archive: &zip::Archive<'a>, budget: &Budget) -> Result<Opened<'a>> {
    let member = |name: &str| match archive.find(name) {
        Some(member) => archive.part(member, budget),
        None => {
            let names = archive.members.iter().map(|member| quote(&member.name)).take(8).collect::<Vec<_>>();
            Err(FAULT.error("archive", format!("a member {}", quote(name)), names.join(", ")))
        }
    };
    let text = |name: &str| {
        let bytes = member(name)?.read(name, budget)?;
        String::from_utf8(bytes).map_err(|_| FAULT.error(name, "UTF-8", "other bytes"))
    };
    let tree = Tree::open(member(WEIGHTS)?, budget)?;
    let version = model::json(METADATA, &text(METADATA)?, budget)?;
    let version = version.get("keras_version").and_then(|version| version.as_str()).unwrap_or_default();
    let model = Model::read(&text(CONFIG)?, version, budget)?;
    networks(".keras", tree, &model, budget)
}

/// An HDF5 file: Keras 2's, or weights alone.
pub(super) fn open_hdf5<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let tree = Tree::open(opening.part.clone(), opening.budget)?;
    let version = tree.text("", "keras_version").unwrap_or_default();
    let model = match tree.text("", "model_config") {
        Some(text) => Model::read(text, version, opening.budget)?,
        None => Model::default(),
    };
    networks("HDF5", tree, &model, opening.budget)
}

fn networks<'a>(dialect: &'static str, tree: Tree<'a>, model: &Model, budget: &Budget) -> Result<Opened<'a>> {
    let places = find::places(&tree, model, budget)?;
    let views: BTreeMap<&str, &View<'a>> =
        tree.arrays.iter().map(|array| (array.name.as_str(), &array.view)).collect();
    let networks = places.iter().map(|(name, cells)| network(name, cells, &views, model)).collect();
    Ok(Opened { dialect, arrays: tree.arrays, networks })
}

/// A layer as a network.
fn network<'a>(
    name: &str,
    places: &[Place],
    views: &BTreeMap<&str, &View<'a>>,
    model: &Model,
) -> Found<Recipe<'a>> {
    let (mut tensors, mut rows) = (BTreeMap::new(), None);
    let stated = match model.layers.get(name) {
        Some(layer) => state(layer, model.is_of_keras_2),
        None => Ok(Stated::default()),
    };
    let mut stated = stated.unwrap_or_else(|reason| Stated::refused(FAULT, reason));
    for place in places {
        let get = |name: &str| views.get(name).copied();
        let (kernel, recurrent, bias) = (get(&place.kernel), get(&place.recurrent), get(&place.bias));
        let gates = match recurrent.map_or(&[][..], |view| &view.shape) {
            &[hidden, columns] => columns.checked_div(hidden).unwrap_or(0),
            _ => 0,
        };
        rows = bias.filter(|_| gates == Cell::Gru.gates()).map(|view| view.shape.len());
        for (kind, recipe) in recipes(gates, kernel, recurrent, bias) {
            let tensor = TensorName { layer: 0, direction: place.direction, kind };
            let Some(recipe) = recipe else {
                let kind = kind.name(Naming::PyTorch);
                stated = Stated::refused(
                    FAULT,
                    format!("{kind}: expected matrices, and one or two rows of biases"),
                );
                continue;
            };
            if tensors.insert(tensor, recipe).is_some() {
                stated =
                    Stated::refused(FAULT, "name: expected one layer of this name, found several".into());
            }
        }
    }
    if let Some(axes) = rows {
        let (reset, word) = match axes {
            1 => (Reset::Before, "one row of biases"),
            _ => (Reset::After, "two rows of biases"),
        };
        stated.say("gru_reset", word, |config| config.gru_reset = reset);
    }
    stated.fault = stated.fault.map(|(fault, reason)| (fault, format!("layer {}: {reason}", quote(name))));
    Found { name: name.to_owned(), spelling: Spelling::named(name), tensors, stated }
}

/// The tensors of a cell; none for one that the arrays cannot make.
fn recipes<'a>(
    gates: usize,
    kernel: Option<&View<'a>>,
    recurrent: Option<&View<'a>>,
    bias: Option<&View<'a>>,
) -> Vec<(TensorKind, Option<Recipe<'a>>)> {
    // z, r, h to r, z, n.
    let in_order = |recipe: Recipe<'a>| if gates == 3 { recipe.blocks(&[1, 0, 2]) } else { Some(recipe) };
    let matrix = |view: &View<'a>| in_order(view.permute(&[1, 0])?.into());
    let mut made = Vec::new();
    let mut put = |kind, recipe| made.push((kind, recipe));
    if let Some(kernel) = kernel {
        put(TensorKind::WeightIh, matrix(kernel));
    }
    if let Some(recurrent) = recurrent {
        put(TensorKind::WeightHh, matrix(recurrent));
    }
    if let Some(bias) = bias {
        match bias.shape.as_slice() {
            [_] => {
                put(TensorKind::BiasIh, in_order(bias.clone().into()));
                put(TensorKind::BiasHh, Some(Recipe::zeros(&bias.shape)));
            }
            [2, _] => {
                let row = |row| in_order(bias.index(0, row)?.into());
                put(TensorKind::BiasIh, row(0));
                put(TensorKind::BiasHh, row(1));
            }
            _ => put(TensorKind::BiasIh, None),
        }
    }
    made
}
