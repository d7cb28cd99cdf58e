//! The values of a graph that are known before it runs: numbers of the model, and outputs of its layers.

use super::super::{Budget, Element, Part, Recipe, View, count};
use super::flow::Flow;
use super::model::{Attribute, Name, Node};
use crate::Result;
use std::collections::HashMap;

/// A value that is known.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    /// Numbers of the model.
    Constant(Recipe<'a>),
    /// Zeros of a shape that the input tells.
    Zeros,
    /// Numbers `[D, 1, H]` of the model, once for each row of a batch.
    Repeated(Recipe<'a>),
    /// Integers of which some are known: a shape.
    Partial(Vec<Option<i64>>),
    /// The output of layers, and what was made of it.
    Flow(Flow),
    /// A value of three axes, of which the first two have changed their places.
    Swapped,
}

/// The values that can be seen from a place: those of its graph, and of the graphs around.
#[derive(Default)]
pub(super) struct Scopes<'a> {
    pub frames: Vec<HashMap<Name, Value<'a>>>,
}

impl<'a> Scopes<'a> {
    pub fn get(&self, name: Option<&Name>) -> Option<&Value<'a>> {
        let name = name?;
        self.frames.iter().rev().find_map(|frame| frame.get(name))
    }

    pub fn set(&mut self, name: &Name, value: Value<'a>) {
        if let Some(frame) = self.frames.last_mut()
            && !name.is_empty()
        {
            frame.insert(name.clone(), value);
        }
    }

    /// Numbers of the model.
    pub fn constant(&self, name: Option<&Name>) -> Option<&Recipe<'a>> {
        match self.get(name)? {
            Value::Constant(recipe) => Some(recipe),
            _ => None,
        }
    }

    /// Integers that are known.
    pub fn integers(&self, name: Option<&Name>) -> Result<Option<Vec<i64>>> {
        let Some(partial) = self.partial(name)? else { return Ok(None) };
        Ok(partial.into_iter().collect())
    }

    /// Integers, some of which may be known.
    pub fn partial(&self, name: Option<&Name>) -> Result<Option<Vec<Option<i64>>>> {
        match self.get(name) {
            Some(Value::Partial(partial)) => Ok(Some(partial.clone())),
            Some(Value::Constant(recipe)) => {
                let numbers = integers(recipe)?;
                Ok(numbers.map(|numbers| numbers.into_iter().map(Some).collect()))
            }
            _ => Ok(None),
        }
    }

    /// An attribute of older sets of operators, or an input of newer ones.
    pub fn option(&self, node: &Node<'a>, attribute: &str, input: usize) -> Result<Option<Vec<i64>>> {
        match node.ints(attribute) {
            Some(ints) => Ok(Some(ints.to_vec())),
            None => self.integers(node.input(input)),
        }
    }
}

/// Integers that a shape or a place may have at most.
const MAX_INTEGERS: usize = 64;

/// Integers of the model, which are few.
fn integers(recipe: &Recipe<'_>) -> Result<Option<Vec<i64>>> {
    let is_few = count(recipe.shape()).is_some_and(|count| count <= MAX_INTEGERS);
    if !is_few || recipe.elements().into_iter().any(|element| element.size().is_none()) {
        return Ok(None);
    }
    // The largest i64 becomes a float above it, and the largest i64 again.
    let numbers = recipe.read::<f64>()?;
    #[expect(clippy::cast_possible_truncation, reason = "a float that no i64 is becomes the nearest one")]
    let integers = numbers.iter().map(|&number| number as i64);
    Ok(Some(integers.collect()))
}

/// True if all numbers are zero; an array that is too large for a state is not read.
pub(super) fn is_zero(recipe: &Recipe<'_>) -> Result<bool> {
    if recipe.is_zeros() {
        return Ok(true);
    }
    let is_small = count(recipe.shape()).is_some_and(|count| count <= 1 << 20);
    if !is_small || recipe.elements().into_iter().any(|element| element.size().is_none()) {
        return Ok(false);
    }
    Ok(recipe.read::<f32>()?.iter().all(|&number| number == 0.0))
}

/// An axis, which may be counted from the end.
pub(super) fn axis(axis: i64, count: usize) -> Option<usize> {
    let count_signed = i64::try_from(count).ok()?;
    let axis = if axis < 0 { axis.checked_add(count_signed)? } else { axis };
    usize::try_from(axis).ok().filter(|&axis| axis < count)
}

/// A node's outputs, made from the model's numbers; none of a node that is not known.
pub(super) fn of_node<'a>(node: &Node<'a>, scopes: &Scopes<'a>, budget: &Budget) -> Result<Vec<Value<'a>>> {
    let first = scopes.get(node.input(0));
    let values = match (node.operator, first) {
        ("Constant", _) => constant(node).into_iter().collect(),
        ("ConstantOfShape", _) => of_shape(node, scopes)?.into_iter().collect(),
        ("Concat", _) => concat(node, scopes)?.into_iter().collect(),
        (operator, Some(Value::Constant(recipe))) => {
            let made = super::shapes::of_constant(node, recipe, scopes)?;
            match made {
                made if !made.is_empty() => made.into_iter().map(Value::Constant).collect(),
                // A shape from floats, as PyTorch wrote it for the oldest sets of operators.
                _ if operator == "Cast" => {
                    let whole = integers(recipe)?;
                    let known = |integers: Vec<i64>| integers.into_iter().map(Some).collect();
                    whole.map(|integers| Value::Partial(known(integers))).into_iter().collect()
                }
                _ if matches!(operator, "Expand" | "Tile") => {
                    repeated(node, recipe, scopes)?.into_iter().collect()
                }
                _ => Vec::new(),
            }
        }
        ("Identity" | "Cast" | "Unsqueeze" | "Squeeze" | "Reshape", Some(Value::Zeros))
        | ("Transpose" | "Slice" | "Expand" | "Tile" | "Gather", Some(Value::Zeros)) => vec![Value::Zeros],
        ("Split", Some(Value::Zeros)) => vec![Value::Zeros; node.outputs.len()],
        ("Identity", Some(Value::Repeated(recipe))) => vec![Value::Repeated(recipe.clone())],
        ("Slice" | "Split", Some(Value::Repeated(recipe))) => {
            // Rows of other layers and directions, which are apart on the first axis.
            let made = super::shapes::of_constant(node, recipe, scopes)?;
            let is_whole = |made: &Recipe<'a>| made.shape().get(1..) == recipe.shape().get(1..);
            if made.iter().all(is_whole) {
                made.into_iter().map(Value::Repeated).collect()
            } else {
                Vec::new()
            }
        }
        (_, Some(Value::Partial(partial))) => {
            of_partial(node, partial, scopes)?.map(Value::Partial).into_iter().collect()
        }
        ("Transpose", None) if node.ints("perm") == Some(&[1, 0, 2]) => vec![Value::Swapped],
        ("Identity" | "Dropout", Some(Value::Swapped)) => vec![Value::Swapped],
        _ => Vec::new(),
    };
    for value in &values {
        if let Value::Constant(recipe) | Value::Repeated(recipe) = value {
            let size = (size_of::<Value<'_>>() as u64).saturating_mul(recipe.parts() as u64);
            budget.bytes("ONNX constants", size)?;
        }
    }
    Ok(values)
}

/// The value of a node Constant.
fn constant<'a>(node: &Node<'a>) -> Option<Value<'a>> {
    let of =
        |element: Element, shape: Vec<usize>, bytes: Vec<u8>| View::new(element, shape, Part::whole(bytes));
    let view = node.attributes.iter().find_map(|(name, attribute)| match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(view)) => Some(view.clone()),
        ("value_float", Attribute::Float(x)) => of(Element::F32, vec![], x.to_le_bytes().to_vec()),
        ("value_int", Attribute::Int(x)) => of(Element::I64, vec![], x.to_le_bytes().to_vec()),
        ("value_floats", Attribute::Floats(all)) => {
            of(Element::F32, vec![all.len()], all.iter().flat_map(|x| x.to_le_bytes()).collect())
        }
        ("value_ints", Attribute::Ints(all)) => {
            of(Element::I64, vec![all.len()], all.iter().flat_map(|x| x.to_le_bytes()).collect())
        }
        _ => None,
    })?;
    Some(Value::Constant(view.into()))
}

/// One number in an array of a shape, which may be known.
fn of_shape<'a>(node: &Node<'a>, scopes: &Scopes<'a>) -> Result<Option<Value<'a>>> {
    let is_zero = match node.attribute("value") {
        None => true,
        Some(Attribute::Tensor(view)) => is_zero(&view.clone().into())?,
        Some(_) => false,
    };
    if !is_zero {
        return Ok(None);
    }
    let shape = scopes.integers(node.input(0))?;
    let shape = shape.and_then(|shape| shape.into_iter().map(|len| usize::try_from(len).ok()).collect());
    let shape: Option<Vec<usize>> = shape;
    Ok(Some(match shape {
        Some(shape) if count(&shape).is_some() => Value::Constant(Recipe::zeros(&shape)),
        _ => Value::Zeros,
    }))
}

/// Arrays one after the other; or a shape, of which some numbers are known.
fn concat<'a>(node: &Node<'a>, scopes: &Scopes<'a>) -> Result<Option<Value<'a>>> {
    let Some(along) = node.int("axis", 0) else { return Ok(None) };
    let values: Vec<Option<&Value<'a>>> = node.inputs.iter().map(|name| scopes.get(Some(name))).collect();
    if values.iter().all(|value| matches!(value, Some(Value::Zeros))) && !values.is_empty() {
        return Ok(Some(Value::Zeros));
    }
    let recipes: Option<Vec<Recipe<'a>>> =
        node.inputs.iter().map(|name| scopes.constant(Some(name)).cloned()).collect();
    if let Some(recipes) = recipes {
        let along = recipes.first().and_then(|first| axis(along, first.shape().len()));
        return Ok(along.and_then(|along| Recipe::joined(along, recipes)).map(Value::Constant));
    }
    let has_flow = values.iter().any(|value| matches!(value, Some(Value::Flow(_) | Value::Swapped)));
    if along != 0 || has_flow || node.inputs.len() > MAX_INTEGERS {
        return Ok(None);
    }
    let mut partial = Vec::new();
    for name in &node.inputs {
        // A length that is computed is one number.
        partial.extend(scopes.partial(Some(name))?.unwrap_or_else(|| vec![None]));
        if partial.len() > MAX_INTEGERS {
            return Ok(None);
        }
    }
    Ok(Some(Value::Partial(partial)))
}

/// A node's outputs, made from a shape, of which some numbers are known.
fn of_partial<'a>(
    node: &Node<'a>,
    partial: &[Option<i64>],
    scopes: &Scopes<'a>,
) -> Result<Option<Vec<Option<i64>>>> {
    let pick = |places: Vec<i64>| {
        let at = |place: i64| axis(place, partial.len()).and_then(|at| partial.get(at).copied());
        places.into_iter().map(at).collect()
    };
    Ok(match node.operator {
        // One number, with or without an axis, is one.
        "Identity" | "Cast" | "Squeeze" | "Unsqueeze" | "Reshape" => Some(partial.to_vec()),
        "Gather" => scopes.integers(node.input(1))?.and_then(pick),
        "Slice" => super::shapes::slices(node, scopes, &[partial.len()])?.and_then(|slices| {
            match slices.as_slice() {
                [(0, rows)] => partial.get(rows.clone()).map(<[_]>::to_vec),
                _ => None,
            }
        }),
        "Mul" => scopes.partial(node.input(1))?.filter(|other| other.len() == partial.len()).map(|other| {
            let pairs = partial.iter().zip(other);
            pairs.map(|(one, other)| one.zip(other).and_then(|(one, other)| one.checked_mul(other))).collect()
        }),
        _ => None,
    })
}

/// Numbers that are repeated for the rows of a batch: `[D, 1, H]` to `[D, N, H]`.
fn repeated<'a>(node: &Node<'a>, recipe: &Recipe<'a>, scopes: &Scopes<'a>) -> Result<Option<Value<'a>>> {
    let partial = scopes.partial(node.input(1))?;
    let keeps = |len: Option<i64>, own: usize| match node.operator {
        "Tile" => len == Some(1),
        _ => len == Some(1) || len.and_then(|len| usize::try_from(len).ok()) == Some(own),
    };
    if let (&[directions, 1, hidden], Some(&[first, _, last])) = (recipe.shape(), partial.as_deref())
        && keeps(first, directions)
        && keeps(last, hidden)
    {
        return Ok(Some(Value::Repeated(recipe.clone())));
    }
    if is_zero(recipe)? {
        return Ok(Some(Value::Zeros));
    }
    // Axes that are longer than 1 are kept by every shape that is allowed, also by one that is computed.
    let is_open = |len: Option<&Option<i64>>| len.is_none_or(Option::is_none);
    let rest = partial.as_deref().unwrap_or_default();
    let grows = |at: usize| recipe.shape().get(at) == Some(&1) && !is_open(rest.get(at));
    let is_repeated =
        node.operator == "Expand" && matches!(recipe.shape(), [_, 1, _]) && !grows(0) && !grows(2);
    Ok(is_repeated.then(|| Value::Repeated(recipe.clone())))
}
