//! Nodes that change the shape of the model's numbers, and not the numbers.

use super::super::{Element, Recipe, View, count};
use super::model::Node;
use super::tensor;
use super::values::{Scopes, axis};
use crate::Result;
use std::ops::Range;

/// Axes that an array may have.
pub(super) const MAX_AXES: usize = 64;

/// A node's outputs, made from an array; nothing for a node that computes.
pub(super) fn of_constant<'a>(
    node: &Node<'a>,
    recipe: &Recipe<'a>,
    scopes: &Scopes<'a>,
) -> Result<Vec<Recipe<'a>>> {
    let rank = recipe.shape().len();
    let made = match node.operator {
        "Identity" | "Dropout" => Some(recipe.clone()),
        "Cast" => is_exact(node, recipe).then(|| recipe.clone()),
        "Unsqueeze" => scopes.option(node, "axes", 1)?.and_then(|axes| unsqueezed(recipe, &axes)),
        "Squeeze" => {
            let ones = || (0..rank).filter(|&at| recipe.shape().get(at) == Some(&1)).collect();
            match scopes.option(node, "axes", 1)? {
                Some(axes) => axes.iter().map(|&at| axis(at, rank)).collect(),
                // Axes that are computed are not known.
                None if node.input(1).is_none() => Some(ones()),
                None => None,
            }
            .and_then(|axes| squeezed(recipe, axes))
        }
        "Reshape" => {
            let allows_zero = node.int("allowzero", 0) == Some(1);
            let dims = scopes.integers(node.input(1))?;
            dims.and_then(|dims| reshaped(recipe.shape(), &dims, allows_zero))
                .and_then(|shape| recipe.reshape(&shape))
        }
        "Flatten" => node.int("axis", 1).and_then(|at| flattened(recipe, at)),
        "Transpose" => permuted(node, recipe),
        "Slice" => sliced(node, recipe, scopes)?,
        "Gather" => gathered(node, recipe, scopes)?,
        "Expand" => {
            let dims = scopes.integers(node.input(1))?;
            let keeps = |dims: Vec<i64>| {
                let dims = dims.iter().rev().zip(recipe.shape().iter().rev()).map(|(&dim, &own)| {
                    // A 1 keeps what is there.
                    dim == 1 || usize::try_from(dim) == Ok(own)
                });
                dims.into_iter().all(|keeps| keeps)
            };
            dims.filter(|dims| dims.len() <= rank).is_some_and(keeps).then(|| recipe.clone())
        }
        "DequantizeLinear" => dequantised(node, recipe, scopes),
        "Split" => return Ok(split(node, recipe, scopes)?.unwrap_or_default()),
        _ => None,
    };
    Ok(made.into_iter().collect())
}

/// True if a Cast changes no number that is read from the array.
fn is_exact(node: &Node<'_>, recipe: &Recipe<'_>) -> bool {
    let to = node.int("to", 0).and_then(|to| u64::try_from(to).ok()).map(tensor::element);
    let Some(to) = to else { return false };
    let is_integer = |element: &Element| {
        !matches!(element, Element::F64 | Element::F32 | Element::F16 | Element::BF16 | Element::Other(_))
    };
    recipe.elements().into_iter().all(|from| match (&to, from) {
        (Element::F64, _) => true,
        // A weight is an f32 at last.
        (Element::F32, from) => *from != Element::Other("string".into()),
        (Element::I64, from) => is_integer(from),
        (to, from) => *to == *from,
    })
}

fn unsqueezed<'a>(recipe: &Recipe<'a>, axes: &[i64]) -> Option<Recipe<'a>> {
    let rank = recipe.shape().len().checked_add(axes.len()).filter(|&rank| rank <= MAX_AXES)?;
    let mut axes = axes.iter().map(|&at| axis(at, rank)).collect::<Option<Vec<_>>>()?;
    axes.sort_unstable();
    axes.into_iter().try_fold(recipe.clone(), |recipe, at| recipe.with_axis(at))
}

fn squeezed<'a>(recipe: &Recipe<'a>, mut axes: Vec<usize>) -> Option<Recipe<'a>> {
    axes.sort_unstable();
    axes.into_iter().rev().try_fold(recipe.clone(), |recipe, at| recipe.without_axis(at))
}

/// A shape with 0 for an axis that is kept, and -1 for the rest.
fn reshaped(own: &[usize], dims: &[i64], allows_zero: bool) -> Option<Vec<usize>> {
    let known = dims.iter().enumerate().map(|(at, &dim)| match dim {
        0 if !allows_zero => own.get(at).copied().map(Some),
        -1 => Some(None),
        dim => usize::try_from(dim).ok().map(Some),
    });
    let mut known = known.collect::<Option<Vec<Option<usize>>>>()?;
    if let Some(open) = known.iter().position(Option::is_none) {
        let others: Vec<usize> = known.iter().flatten().copied().collect();
        let rest = count(own)?.checked_div(count(&others)?)?;
        *known.get_mut(open)? = Some(rest);
    }
    known.into_iter().collect()
}

fn flattened<'a>(recipe: &Recipe<'a>, at: i64) -> Option<Recipe<'a>> {
    let shape = recipe.shape();
    let at = if usize::try_from(at) == Ok(shape.len()) { shape.len() } else { axis(at, shape.len())? };
    let (rows, columns) = shape.split_at_checked(at)?;
    recipe.reshape(&[count(rows)?, count(columns)?])
}

fn permuted<'a>(node: &Node<'a>, recipe: &Recipe<'a>) -> Option<Recipe<'a>> {
    let rank = recipe.shape().len();
    match node.ints("perm") {
        Some(perm) => recipe.permute(&perm.iter().map(|&at| axis(at, rank)).collect::<Option<Vec<_>>>()?),
        None => recipe.permute(&(0..rank).rev().collect::<Vec<_>>()),
    }
}

/// Rows of an axis: the axis, and its places.
type Rows = (usize, Range<usize>);

/// The rows that a Slice takes.
pub(super) fn slices<'a>(node: &Node<'a>, scopes: &Scopes<'a>, shape: &[usize]) -> Result<Option<Vec<Rows>>> {
    let starts = scopes.option(node, "starts", 1)?;
    let ends = scopes.option(node, "ends", 2)?;
    let axes = scopes.option(node, "axes", 3)?;
    let steps = scopes.integers(node.input(4))?;
    let is_known =
        (axes.is_some() || node.input(3).is_none()) && (steps.is_some() || node.input(4).is_none());
    let (Some(starts), Some(ends), true) = (starts, ends, is_known) else { return Ok(None) };
    if steps.is_some_and(|steps| steps.iter().any(|&step| step != 1)) || starts.len() != ends.len() {
        return Ok(None);
    }
    let first = || (0_i64..).take(starts.len()).collect();
    let axes: Vec<i64> = axes.unwrap_or_else(first);
    let rows = |((&at, &start), &end): ((&i64, &i64), &i64)| {
        let at = axis(at, shape.len())?;
        let len = *shape.get(at)?;
        let place = |place: i64| {
            let signed = i64::try_from(len).ok()?;
            let place = if place < 0 { place.saturating_add(signed) } else { place };
            usize::try_from(place.clamp(0, signed)).ok()
        };
        Some((at, place(start)?..place(end)?))
    };
    Ok(axes.iter().zip(&starts).zip(&ends).map(rows).collect())
}

fn sliced<'a>(node: &Node<'a>, recipe: &Recipe<'a>, scopes: &Scopes<'a>) -> Result<Option<Recipe<'a>>> {
    let slices = slices(node, scopes, recipe.shape())?;
    let take = |recipe: Recipe<'a>, (at, rows): Rows| recipe.slice(at, rows);
    Ok(slices.and_then(|slices| slices.into_iter().try_fold(recipe.clone(), take)))
}

fn gathered<'a>(node: &Node<'a>, recipe: &Recipe<'a>, scopes: &Scopes<'a>) -> Result<Option<Recipe<'a>>> {
    let rank = recipe.shape().len();
    let Some(at) = node.int("axis", 0).and_then(|at| axis(at, rank)) else { return Ok(None) };
    let Some(places) = scopes.integers(node.input(1))? else { return Ok(None) };
    let is_one = scopes.constant(node.input(1)).is_some_and(|places| places.shape().is_empty());
    let len = recipe.shape().get(at).copied().unwrap_or(0);
    let rows = |&place: &i64| {
        let place = axis(place, len)?;
        if is_one { recipe.index(at, place) } else { recipe.slice(at, place..place.checked_add(1)?) }
    };
    let rows: Option<Vec<Recipe<'a>>> = places.iter().map(rows).collect();
    Ok(rows.and_then(|mut rows| if is_one { rows.pop() } else { Recipe::joined(at, rows) }))
}

/// The lengths that a Split gives its outputs.
pub(super) fn lengths<'a>(node: &Node<'a>, scopes: &Scopes<'a>, len: usize) -> Result<Option<Vec<usize>>> {
    if let Some(lengths) = scopes.option(node, "split", 1)? {
        return Ok(lengths.into_iter().map(|len| usize::try_from(len).ok()).collect());
    }
    if node.input(1).is_some() {
        return Ok(None);
    }
    let count = node.outputs.len();
    let each = len.div_ceil(count.max(1));
    let start = |part: usize| part.saturating_mul(each).min(len);
    let lengths = (0..count).map(|part| start(part.saturating_add(1)).saturating_sub(start(part)));
    Ok(Some(lengths.collect()))
}

fn split<'a>(node: &Node<'a>, recipe: &Recipe<'a>, scopes: &Scopes<'a>) -> Result<Option<Vec<Recipe<'a>>>> {
    let Some(at) = node.int("axis", 0).and_then(|at| axis(at, recipe.shape().len())) else { return Ok(None) };
    let len = recipe.shape().get(at).copied().unwrap_or(0);
    let Some(lengths) = lengths(node, scopes, len)? else { return Ok(None) };
    let mut start = 0_usize;
    let parts = lengths.into_iter().map(|len| {
        let end = start.checked_add(len)?;
        let part = recipe.slice(at, start..end);
        start = end;
        part
    });
    Ok(parts.collect())
}

fn dequantised<'a>(node: &Node<'a>, recipe: &Recipe<'a>, scopes: &Scopes<'a>) -> Option<Recipe<'a>> {
    let scale = scopes.constant(node.input(1))?.clone();
    let zero = match node.input(2) {
        Some(name) => scopes.constant(Some(name))?.clone(),
        None => Recipe::from(View::new(Element::F32, vec![], super::super::Part::whole(&[0; 4][..]))?),
    };
    let is_one = count(scale.shape()) == Some(1);
    let at = if is_one { Some(0) } else { axis(node.int("axis", 1)?, recipe.shape().len()) };
    (scale.shape().len() <= 1 && node.int("block_size", 0) == Some(0)).then_some(())?;
    recipe.clone().scaled(at?, scale, zero)
}
