//! The network that tensors make, from their names and shapes and the metadata beside them.
#![deny(clippy::arithmetic_side_effects)]

use super::formats::{Spelling, Stated};
use super::metadata::{CELLS, activation, refused};
use super::{TensorKind, TensorName};
use crate::quote::message;
use crate::{Activation, Cell, Config, Directions, Error, Result};
use std::collections::BTreeMap;

/// The shapes of tensors by their place in the network.
pub(super) type NamedShapes = BTreeMap<TensorName, Vec<usize>>;

/// The network, and whether the activations of its vanilla RNNs are known.
pub(super) fn infer(
    tensors: &NamedShapes,
    spelling: &Spelling,
    stated: &Stated,
    activation_is_given: bool,
) -> Result<(Config, bool)> {
    let shapes = Shapes { tensors, spelling };
    let (_, input_size) = shapes.of_first_layer(TensorKind::WeightIh, "[G*H, I]")?;
    shapes.of_first_layer(TensorKind::WeightHh, "[G*H, H]")?;
    let has = |kind| tensors.keys().any(|name| name.kind == kind);
    let proj_size =
        if has(TensorKind::WeightHr) { shapes.of_first_layer(TensorKind::WeightHr, "[P, H]")?.0 } else { 0 };
    let num_layers = tensors.keys().map(|name| name.layer).max().unwrap_or(0).saturating_add(1);
    if num_layers > tensors.len() {
        // Names alone may promise a huge network.
        let has_none = |layer: &usize| shapes.of(*layer, TensorKind::WeightIh).is_none();
        let layer = (0..num_layers).find(has_none).unwrap_or(0);
        let (name, expected) = (shapes.name(layer, TensorKind::WeightIh), "[G*H, D*H]".to_owned());
        return Err(Error::MissingTensor { name, expected });
    }
    let stack = match stated.cells.as_deref() {
        Some(cells) => shapes.told(cells, num_layers)?,
        None => shapes.untold(num_layers)?,
    };
    let (cell, hidden_size) = stack[0];
    let mut config = Config { cell, hidden_size, input_size, num_layers, ..stated.options.0.clone() };
    if stack.iter().any(|layer| *layer != stack[0]) {
        config.stack = stack;
    }
    if tensors.keys().any(|name| name.direction == 1) {
        config.directions = Directions::Both;
    }
    config.proj_size = proj_size;
    config.bias = tensors.keys().any(|name| name.kind.is_bias());
    config.peepholes = has(TensorKind::Peephole);
    config.layer_norm = has(TensorKind::NormIhWeight);
    config.learned_state = has(TensorKind::InitialH);

    let is_told = stated.cells.is_some() || !config.activations.is_empty();
    let mut knows_activation = activation_is_given || is_told || !has_vanilla(&config);
    if !knows_activation && let Some(activation) = activation(stated)? {
        set_activation(&mut config, activation)?;
        knows_activation = true;
    }
    // The file's own faults are found before the caller's settings change anything.
    config.check()?;
    Ok((config, knows_activation))
}

fn has_vanilla(config: &Config) -> bool {
    config.layers_that_differ().any(|layer| config.cell_of(layer).0.activation().is_some())
}

/// Gives the layers that are vanilla RNNs their activation.
pub(super) fn set_activation(config: &mut Config, activation: Activation) -> Result<()> {
    if !has_vanilla(config) {
        let expected = format!("none for {} weights", config.cell.name());
        return Err(Error::Setting { name: "activation", expected, found: activation.to_string() });
    }
    let cells = config.stack.iter_mut().map(|(cell, _)| cell).chain([&mut config.cell]);
    cells.filter(|cell| cell.activation().is_some()).for_each(|cell| *cell = Cell::Vanilla(activation));
    config.activations = Vec::new();
    Ok(())
}

/// The shapes of the forward direction's tensors.
struct Shapes<'a> {
    tensors: &'a NamedShapes,
    spelling: &'a Spelling,
}

impl Shapes<'_> {
    fn name(&self, layer: usize, kind: TensorKind) -> String {
        self.spelling.of(TensorName { layer, direction: 0, kind })
    }

    fn of(&self, layer: usize, kind: TensorKind) -> Option<&[usize]> {
        self.tensors.get(&TensorName { layer, direction: 0, kind }).map(Vec::as_slice)
    }

    fn of_first_layer(&self, kind: TensorKind, expected: &str) -> Result<(usize, usize)> {
        let (name, expected) = (self.name(0, kind), expected.to_owned());
        match self.of(0, kind) {
            Some(&[rows, columns]) if rows > 0 && columns > 0 => Ok((rows, columns)),
            Some(found) => Err(Error::Shape { name, expected, found: found.to_vec() }),
            None => Err(Error::MissingTensor { name, expected }),
        }
    }

    /// Rows of a layer's `weight_hh`, its columns, and H: the columns too, unless a projection lies between.
    fn recurrent(&self, layer: usize) -> Option<(usize, usize, usize)> {
        let &[rows, columns] = self.of(layer, TensorKind::WeightHh)? else { return None };
        match self.of(layer, TensorKind::WeightHr) {
            Some(&[_, hidden_size]) => Some((rows, columns, hidden_size)),
            _ => Some((rows, columns, columns)),
        }
    }

    /// Cell and H of each layer, where the metadata name the cells.
    fn told(&self, cells: &[Cell], num_layers: usize) -> Result<Vec<(Cell, usize)>> {
        if cells.len() != num_layers {
            let expected = format!("a cell for each of {num_layers} layers");
            return Err(refused(CELLS, expected, cells.len().to_string()));
        }
        let mut first = 0;
        let layers = cells.iter().enumerate().map(|(layer, &cell)| {
            // A layer without a recurrent weight of two axes is refused later, in the first layer's sizes.
            let Some((rows, columns, hidden_size)) = self.recurrent(layer) else { return Ok((cell, first)) };
            if !is_of(cell, rows, hidden_size) {
                let name = message(&self.name(layer, TensorKind::WeightHh));
                let expected = format!("{name} of {}", shape_for(&[cell], hidden_size, columns));
                return Err(refused(CELLS, expected, format!("[{rows}, {columns}]")));
            }
            first = if layer == 0 { hidden_size } else { first };
            Ok((cell, hidden_size))
        });
        layers.collect()
    }

    /// Cell and H of each layer from the shapes alone: the first cell of the table with as many gates as the
    /// shapes have.
    fn untold(&self, num_layers: usize) -> Result<Vec<(Cell, usize)>> {
        let told = |layer| {
            let (rows, _, hidden_size) = self.recurrent(layer)?;
            let cell = Cell::ALL.into_iter().find(|&cell| is_of(cell, rows, hidden_size))?;
            Some((cell, hidden_size))
        };
        let Some(first) = told(0) else {
            let (rows, columns, hidden_size) = self.recurrent(0).unwrap_or_default();
            return Err(Error::Shape {
                name: self.name(0, TensorKind::WeightHh),
                expected: expected_shapes(hidden_size, columns),
                found: vec![rows, columns],
            });
        };
        // A layer whose cell the shapes do not tell is held against the first one's shapes later.
        Ok((0..num_layers).map(|layer| told(layer).unwrap_or(first)).collect())
    }
}

/// True if the rows of a weight matrix can be the gates of this cell.
fn is_of(cell: Cell, rows: usize, hidden_size: usize) -> bool {
    hidden_size > 0 && hidden_size.checked_mul(cell.gates()) == Some(rows)
}

/// The shape of `weight_hh`, and the cells that have it.
fn shape_for(cells: &[Cell], hidden_size: usize, columns: usize) -> String {
    let rows = hidden_size.saturating_mul(cells[0].gates());
    let names: Vec<_> = cells.iter().map(|cell| cell.name()).collect();
    format!("[{rows}, {columns}] ({})", names.join(", "))
}

/// The shapes that `weight_hh` may have, by the table of cells.
fn expected_shapes(hidden_size: usize, columns: usize) -> String {
    let mut by_gates = BTreeMap::<usize, Vec<Cell>>::new();
    Cell::ALL.into_iter().for_each(|cell| by_gates.entry(cell.gates()).or_default().push(cell));
    let shapes: Vec<_> = by_gates.values().map(|cells| shape_for(cells, hidden_size, columns)).collect();
    shapes.join(" or ")
}
