//! A node RNN, LSTM or GRU: its attributes and its arrays, as a layer of ours.

use super::super::{Budget, Recipe};
use super::FAULT;
use super::model::{Attribute, Node};
use super::values::{Scopes, Value, is_zero};
use crate::quote::{quote, shape};
use crate::weights::TensorKind;
use crate::{Activation, Cell, Directions, Error, Reset, Result};
use std::collections::BTreeMap;

/// A layer, and what its node says.
pub(super) struct Layer<'a> {
    pub cell: Cell,
    pub hidden: usize,
    pub directions: Directions,
    /// The tensors of each direction.
    pub tensors: Vec<BTreeMap<TensorKind, Recipe<'a>>>,
    /// Activations other than the cell's own.
    pub activations: Vec<Activation>,
    pub reset: Reset,
    pub clip: Option<f32>,
    pub is_coupled: bool,
    /// The batch is the first axis of X and Y.
    pub is_batch_first: bool,
    /// What is worth to be told when the network is read.
    pub notes: Vec<String>,
}

/// The operators that are layers, with the cell that each has.
const LAYERS: [(&str, Cell); 4] = [
    ("RNN", Cell::Vanilla(Activation::Tanh)),
    ("LSTM", Cell::Lstm),
    ("GRU", Cell::Gru),
    ("DynamicQuantizeLSTM", Cell::Lstm),
];

/// The attributes that are read.
const ATTRIBUTES: [&str; 9] = [
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
    "linear_before_reset",
];

/// The inputs of a node.
const W: (&str, usize) = ("W", 1);
const R: (&str, usize) = ("R", 2);
const B: (&str, usize) = ("B", 3);
const SEQUENCE_LENS: (&str, usize) = ("sequence_lens", 4);
const INITIAL_H: (&str, usize) = ("initial_h", 5);
const INITIAL_C: (&str, usize) = ("initial_c", 6);
const P: (&str, usize) = ("P", 7);
const W_SCALE: (&str, usize) = ("W_scale", 8);
const R_SCALE: (&str, usize) = ("R_scale", 10);

/// The oldest operators that are read: those of before had another attribute for their outputs.
const OPSET: u64 = 7;

/// The cell of a node; none of a node that is no layer.
pub(super) fn cell(node: &Node<'_>) -> Option<Cell> {
    LAYERS.iter().find(|(name, _)| *name == node.operator).map(|&(_, cell)| cell)
}

/// The gates of ours as row blocks of ONNX's: i, o, f, c and z, r, h.
pub(super) const fn order(cell: Cell) -> &'static [usize] {
    match cell {
        Cell::Vanilla(_) => &[0],
        Cell::Lstm => &[0, 2, 3, 1],
        Cell::Gru => &[1, 0, 2],
    }
}

/// The parts of a node that are read.
struct Source<'s, 'a> {
    node: &'s Node<'a>,
    scopes: &'s Scopes<'a>,
    cell: Cell,
}

/// The layer of a node.
pub(super) fn read<'a>(
    node: &Node<'a>,
    cell: Cell,
    scopes: &Scopes<'a>,
    opset: Option<u64>,
    budget: &Budget,
) -> Result<Layer<'a>> {
    let source = Source { node, scopes, cell };
    if let Some(opset) = opset.filter(|&opset| opset < OPSET) {
        return Err(source.refuse("opset", format!("{OPSET} or more"), opset));
    }
    source.attributes()?;
    let mut layer = source.options()?;
    let both = layer.directions.count();
    let (weight_ih, weight_hh) = (source.weight(W, W_SCALE)?, source.weight(R, R_SCALE)?);
    let input = weight_ih.first().and_then(|weight| weight.shape().get(1).copied()).unwrap_or(0);
    let own = weight_hh.first().and_then(|weight| weight.shape().get(1).copied()).unwrap_or(0);
    layer.hidden = match node.int("hidden_size", -1) {
        Some(-1) => own,
        given if given.and_then(|given| usize::try_from(given).ok()) == Some(own) => own,
        given => {
            let found = given.map_or("another type".to_owned(), |given| given.to_string());
            return Err(source.refuse("hidden_size", format!("{own}, as R has"), found));
        }
    };
    let rows = layer.hidden.saturating_mul(cell.gates());
    for (name, weights, columns) in [(W, &weight_ih, input), (R, &weight_hh, layer.hidden)] {
        source.check(name, both, weights, &[rows, columns])?;
    }
    let biases = source.rows(B)?;
    source.check(B, both, biases.as_deref().unwrap_or_default(), &[rows.saturating_mul(2)])?;
    let peepholes = if cell == Cell::Lstm { source.rows(P)? } else { None };
    let three = layer.hidden.saturating_mul(3);
    source.check(P, both, peepholes.as_deref().unwrap_or_default(), &[three])?;
    let bad = || source.refuse("arrays", "row blocks of gates", "others");
    let blocks = |recipe: &Recipe<'a>| recipe.blocks(order(cell)).ok_or_else(bad);
    for direction in 0..both {
        let mut tensors = BTreeMap::new();
        let of = |all: &[Recipe<'a>]| all.get(direction).cloned().ok_or_else(bad);
        tensors.insert(TensorKind::WeightIh, blocks(&of(&weight_ih)?)?);
        tensors.insert(TensorKind::WeightHh, blocks(&of(&weight_hh)?)?);
        if let Some(biases) = &biases {
            let bias = of(biases)?;
            let half = |rows| bias.slice(0, rows).ok_or_else(bad);
            tensors.insert(TensorKind::BiasIh, blocks(&half(0..rows)?)?);
            tensors.insert(TensorKind::BiasHh, blocks(&half(rows..rows.saturating_mul(2))?)?);
        }
        if let Some(peepholes) = &peepholes {
            tensors.insert(TensorKind::Peephole, of(peepholes)?);
        }
        layer.tensors.push(tensors);
    }
    source.states(&mut layer)?;
    let parts = layer.tensors.iter().flat_map(BTreeMap::values).map(|recipe| recipe.parts() as u64);
    let size = parts.sum::<u64>().saturating_mul(size_of::<Value<'_>>() as u64);
    budget.bytes("ONNX layers", size)?;
    Ok(layer)
}

impl<'a> Source<'_, 'a> {
    fn refuse(&self, what: &str, expected: impl ToString, found: impl ToString) -> Error {
        let what = format!("{} {}: {what}", self.node.operator, quote(super::name_of(self.node)));
        FAULT.error(&what, expected, found)
    }

    /// Refuses attributes that are not read.
    fn attributes(&self) -> Result<()> {
        let is_of_cell = |name: &str| match name {
            "input_forget" => self.cell == Cell::Lstm,
            "linear_before_reset" => self.cell == Cell::Gru,
            name => ATTRIBUTES.contains(&name),
        };
        match self.node.attributes.iter().find(|(name, _)| !is_of_cell(name)) {
            Some((other, _)) => {
                Err(self.refuse("attributes", format!("some of {}", ATTRIBUTES.join(", ")), quote(other)))
            }
            None => Ok(()),
        }
    }

    /// The layer with its options alone.
    fn options(&self) -> Result<Layer<'a>> {
        let flag = |name: &str| match self.node.int(name, 0) {
            Some(0) => Ok(false),
            Some(1) => Ok(true),
            other => {
                let found = other.map_or("another type".to_owned(), |other| other.to_string());
                Err(self.refuse(name, "0 or 1", found))
            }
        };
        let directions = match self.node.attribute("direction") {
            None => Directions::Forward,
            Some(Attribute::Text(text)) => match text.as_str() {
                "forward" => Directions::Forward,
                "reverse" => Directions::Reverse,
                "bidirectional" => Directions::Both,
                other => {
                    return Err(self.refuse("direction", "forward, reverse or bidirectional", quote(other)));
                }
            },
            Some(_) => return Err(self.refuse("direction", "a text", "another type")),
        };
        let clip = match self.node.attribute("clip") {
            None => None,
            Some(Attribute::Float(clip)) if *clip > 0.0 && clip.is_finite() => Some(*clip),
            Some(Attribute::Float(clip)) => return Err(self.refuse("clip", "a finite number over 0", clip)),
            Some(_) => return Err(self.refuse("clip", "a float", "another type")),
        };
        let mut layer = Layer {
            cell: self.cell,
            hidden: 0,
            directions,
            tensors: Vec::new(),
            activations: self.activations(directions)?,
            reset: if flag("linear_before_reset")? { Reset::After } else { Reset::Before },
            clip,
            is_coupled: flag("input_forget")?,
            is_batch_first: flag("layout")?,
            notes: Vec::new(),
        };
        if let (Cell::Vanilla(_), [first, rest @ ..]) = (self.cell, layer.activations.as_slice())
            && rest.iter().all(|other| other == first)
        {
            layer.cell = Cell::Vanilla(*first);
            layer.activations = Vec::new();
        }
        Ok(layer)
    }

    /// The activations of all directions, with the numbers that belong to them; none for the cell's own.
    fn activations(&self, directions: Directions) -> Result<Vec<Activation>> {
        let floats = |name: &str| match self.node.attribute(name) {
            Some(Attribute::Floats(floats)) => Ok(floats.clone()),
            None => Ok(Vec::new()),
            Some(_) => Err(self.refuse(name, "floats", "another type")),
        };
        let (alphas, betas) = (floats("activation_alpha")?, floats("activation_beta")?);
        let (mut alpha, mut beta) = (alphas.iter(), betas.iter());
        let names = match self.node.attribute("activations") {
            None => &[][..],
            Some(Attribute::Texts(names)) => names,
            Some(_) => return Err(self.refuse("activations", "texts", "another type")),
        };
        let own = self.cell.activations();
        let count = own.len().saturating_mul(directions.count());
        if !names.is_empty() && names.len() != count {
            return Err(self.refuse("activations", count, names.len()));
        }
        let mut all = Vec::new();
        for name in names {
            let known = Activation::ALL.into_iter();
            let plain = |name: &str| name.replace('_', "").to_lowercase();
            let found = known.into_iter().find(|known| plain(known.name()) == name.to_lowercase());
            let Some(mut activation) = found else {
                let known = Activation::ALL.map(Activation::name).map(plain).join(", ");
                return Err(self.refuse("activations", format!("some of {known}"), quote(name)));
            };
            // Numbers are taken in order, by the activations that have some.
            let numbers = activation.parameters().len();
            let mut text = activation.name().to_owned();
            for (place, number) in activation.parameters().into_iter().enumerate() {
                let given = if place == 0 { alpha.next() } else { beta.next() };
                text.push_str(&format!(":{}", given.copied().unwrap_or(number)));
            }
            if numbers > 0 {
                let refuse = |_| self.refuse("activations", "finite numbers", quote(&text));
                activation = text.parse().map_err(refuse)?;
            }
            all.push(activation);
        }
        let left = alpha.len().saturating_add(beta.len());
        if left > 0 {
            let expected = "as many numbers as activations take";
            return Err(self.refuse(
                "activation_alpha and activation_beta",
                expected,
                format!("{left} more"),
            ));
        }
        let (first, second) = all.split_at(own.len().min(all.len()));
        if second.is_empty() || first == second {
            all.truncate(own.len());
        }
        Ok(if all == own { Vec::new() } else { all })
    }

    /// Numbers of the model; none of an input that is left out.
    fn constant(&self, (name, place): (&str, usize)) -> Result<Option<&Recipe<'a>>> {
        match (self.node.input(place), self.scopes.constant(self.node.input(place))) {
            (None, _) => Ok(None),
            (_, Some(recipe)) => Ok(Some(recipe)),
            (Some(value), None) => {
                let found = format!("{}, which is given or computed", quote(value));
                Err(self.refuse(name, "numbers of the model", found))
            }
        }
    }

    /// The rows of an array's first axis, one for each direction.
    fn rows(&self, input: (&str, usize)) -> Result<Option<Vec<Recipe<'a>>>> {
        let Some(recipe) = self.constant(input)? else { return Ok(None) };
        let len = recipe.shape().first().copied().filter(|len| (1..=2).contains(len));
        let refuse = || self.refuse(input.0, "one or two directions first", shape(recipe.shape()));
        let rows = (0..len.ok_or_else(refuse)?).map(|row| recipe.index(0, row));
        rows.collect::<Option<Vec<_>>>().map(Some).ok_or_else(refuse)
    }

    /// A weight of each direction, `[G*H, K]`. Integers of eight bits have a scale, and are transposed.
    fn weight(&self, input: (&str, usize), scale: (&str, usize)) -> Result<Vec<Recipe<'a>>> {
        let missing = || self.refuse(input.0, "an input", "none");
        let rows = self.rows(input)?.ok_or_else(missing)?;
        if self.node.operator != "DynamicQuantizeLSTM" {
            return Ok(rows);
        }
        let zero = scale.1.saturating_add(1);
        let scales = self.rows(scale)?.ok_or_else(missing)?;
        let zeros = self.rows((input.0, zero))?.ok_or_else(missing)?;
        let each = rows.into_iter().zip(scales.into_iter().zip(zeros));
        let bad = || self.refuse(scale.0, "a number for a direction, or for each gate's row", "others");
        each.map(|(weight, (scale, zero))| weight.permute(&[1, 0])?.scaled(0, scale, zero))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(bad)
    }

    fn check(
        &self,
        (name, _): (&str, usize),
        directions: usize,
        all: &[Recipe<'a>],
        expected: &[usize],
    ) -> Result<()> {
        let whole = |of: &[usize], count: usize| shape(&[&[count], of].concat());
        match all.iter().find(|one| one.shape() != expected || all.len() != directions) {
            Some(other) => {
                Err(self.refuse(name, whole(expected, directions), whole(other.shape(), all.len())))
            }
            None => Ok(()),
        }
    }

    /// The initial states, where the model has numbers for them; the caller's inputs are told.
    fn states(&self, layer: &mut Layer<'a>) -> Result<()> {
        if self.scopes.constant(self.node.input(SEQUENCE_LENS.1)).is_some() {
            return Err(self.refuse(SEQUENCE_LENS.0, "an input of the model", "numbers of the model"));
        }
        let both = layer.directions.count();
        let states = [(INITIAL_H, TensorKind::InitialH), (INITIAL_C, TensorKind::InitialC)];
        let count = if self.cell.has_cell_state() { 2 } else { 1 };
        for ((name, place), kind) in states.into_iter().take(count) {
            let recipe = match self.scopes.get(self.node.input(place)) {
                // Zeros that are learned, as of a network at its start, are a state too.
                Some(Value::Repeated(recipe)) => recipe,
                Some(Value::Constant(recipe)) if !is_zero(recipe)? => recipe,
                Some(Value::Constant(_) | Value::Zeros) => continue,
                _ if self.node.input(place).is_none() => continue,
                _ => {
                    layer.notes.push(format!("{name} is given or computed, and is an input of each call"));
                    continue;
                }
            };
            let rows = if layer.is_batch_first { recipe.permute(&[1, 0, 2]) } else { Some(recipe.clone()) };
            let found = shape(recipe.shape());
            let rows = rows.filter(|rows| rows.shape() == [both, 1, layer.hidden]);
            let expected = || format!("one row for a batch, {}", shape(&[both, 1, layer.hidden]));
            let rows = rows.ok_or_else(|| self.refuse(name, expected(), found))?;
            for (direction, tensors) in layer.tensors.iter_mut().enumerate() {
                let row = rows.index(0, direction).and_then(|row| row.index(0, 0));
                tensors.extend(row.map(|row| (kind, row)));
            }
        }
        if self.node.operator == "DynamicQuantizeLSTM" {
            let what =
                "weights of 8 bits are dequantised; onnxruntime rounds the input and the state to 8 bits too";
            layer.notes.push(what.into());
        }
        Ok(())
    }
}
