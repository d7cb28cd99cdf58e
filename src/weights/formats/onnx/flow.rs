//! The way of a layer's output to the layer above: what the nodes between do to its axes.

use super::model::{Name, Node};
use super::shapes::{MAX_AXES, lengths, slices};
use super::values::{Scopes, Value, axis};
use crate::weights::formats::{Recipe, count};
use crate::{Merge, Result};

/// An axis of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Axis {
    Time,
    Batch,
    Direction,
    /// H of a direction, or of several side by side.
    Feature,
    /// An axis of length 1 that a node has put in.
    One,
}

/// The output of a layer, whatever the order of its axes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Flow {
    /// The layer, by its place among all of the model.
    pub layer: usize,
    /// H of a direction.
    hidden: usize,
    /// The directions that the value has, one after the other.
    pub directions: Vec<usize>,
    /// How directions that are no longer apart were merged.
    pub merge: Merge,
    pub axes: Vec<Axis>,
}

/// The axes of a layer's input and output.
pub(super) const SEQUENCE: [Axis; 3] = [Axis::Time, Axis::Batch, Axis::Feature];

impl Flow {
    /// The output Y of a node: with its own axis of directions.
    pub fn of_layer(layer: usize, hidden: usize, directions: usize, is_batch_first: bool) -> Flow {
        let axes = match is_batch_first {
            false => vec![Axis::Time, Axis::Direction, Axis::Batch, Axis::Feature],
            true => vec![Axis::Batch, Axis::Time, Axis::Direction, Axis::Feature],
        };
        Flow { layer, hidden, directions: (0..directions).collect(), merge: Merge::Concatenate, axes }
    }

    /// The length of the features' axis.
    fn features(&self) -> usize {
        let is_side_by_side = self.merge == Merge::Concatenate && !self.axes.contains(&Axis::Direction);
        self.hidden.saturating_mul(if is_side_by_side { self.directions.len() } else { 1 })
    }

    /// True for all directions of a layer, in order, as the layer above reads them.
    pub fn is_whole(&self, directions: usize, is_batch_first: bool) -> bool {
        let axes = match is_batch_first {
            false => SEQUENCE,
            true => [Axis::Batch, Axis::Time, Axis::Feature],
        };
        self.axes == axes && self.directions.iter().copied().eq(0..directions)
    }

    fn place(&self, at: i64) -> Option<usize> {
        axis(at, self.axes.len())
    }

    fn without(&self, at: usize) -> Option<Flow> {
        let mut flow = self.clone();
        let is_one = match flow.axes.get(at)? {
            Axis::One => true,
            Axis::Direction => flow.directions.len() == 1,
            _ => false,
        };
        is_one.then(|| flow.axes.remove(at))?;
        Some(flow)
    }

    fn permuted(&self, perm: Option<&[i64]>) -> Option<Flow> {
        let count = self.axes.len();
        let order: Vec<usize> = match perm {
            Some(perm) => perm.iter().map(|&at| axis(at, count)).collect::<Option<_>>()?,
            None => (0..count).rev().collect(),
        };
        let axes = order.iter().map(|&at| self.axes.get(at).copied()).collect::<Option<Vec<_>>>()?;
        let is_order = (0..count).all(|at| order.contains(&at)) && order.len() == count;
        is_order.then(|| Flow { axes, ..self.clone() })
    }

    /// Directions side by side: `[T, N, D, H]` becomes `[T, N, D*H]`. Other axes keep their places.
    fn reshaped(&self, dims: &[Option<i64>], is_zero_kept: bool) -> Option<Flow> {
        let mut axes = self.axes.clone();
        axes.retain(|&axis| axis != Axis::One && !(axis == Axis::Direction && self.directions.len() == 1));
        let mut made = self.clone();
        if let [.., Axis::Direction, Axis::Feature] = axes.as_slice() {
            let feature = axes.pop();
            axes.pop();
            axes.extend(feature);
        }
        made.axes = axes;
        let features = i64::try_from(made.features()).ok()?;
        let (last, before) = dims.split_last()?;
        let is_last = match last {
            Some(-1) => true,
            Some(0) if is_zero_kept => self.axes.get(before.len()) == Some(&Axis::Feature),
            Some(len) => *len == features,
            None => false,
        };
        // A kept axis is that of the same place; lengths that are numbers are those of the model's input.
        let keeps = before.iter().enumerate().all(|(at, dim)| match dim {
            Some(0) if is_zero_kept => self.axes.get(at) == made.axes.get(at),
            _ => true,
        });
        let is_same =
            is_last && keeps && dims.len() == made.axes.len() && made.axes.last() == Some(&Axis::Feature);
        (is_same && dims.iter().filter(|dim| **dim == Some(-1)).count() <= 1).then_some(made)
    }

    /// Some of the directions.
    fn picked(&self, at: usize, directions: &[usize]) -> Option<Flow> {
        let is_side_by_side = self.axes.get(at) == Some(&Axis::Feature)
            && !self.axes.contains(&Axis::Direction)
            && self.merge == Merge::Concatenate;
        (self.axes.get(at) == Some(&Axis::Direction) || is_side_by_side).then_some(())?;
        let picked = directions.iter().map(|&place| self.directions.get(place).copied());
        let directions = picked.collect::<Option<Vec<_>>>()?;
        (!directions.is_empty()).then(|| Flow { directions, ..self.clone() })
    }

    /// The directions that rows of an axis are.
    fn rows(&self, at: usize, rows: std::ops::Range<usize>) -> Option<Flow> {
        let unit = if self.axes.get(at) == Some(&Axis::Feature) { self.hidden } else { 1 };
        let is_whole = rows.start.checked_rem(unit)? == 0 && rows.end.checked_rem(unit)? == 0;
        let places: Vec<usize> = (rows.start.checked_div(unit)?..rows.end.checked_div(unit)?).collect();
        is_whole.then(|| self.picked(at, &places))?
    }

    /// The shape: lengths that the layer tells.
    fn shape(&self) -> Vec<Option<i64>> {
        let len = |(at, axis): (usize, &Axis)| match axis {
            Axis::One => Some(1),
            _ => self.len(at).and_then(|len| i64::try_from(len).ok()),
        };
        self.axes.iter().enumerate().map(len).collect()
    }

    fn len(&self, at: usize) -> Option<usize> {
        match self.axes.get(at)? {
            Axis::Direction => Some(self.directions.len()),
            Axis::Feature => Some(self.features()),
            _ => None,
        }
    }

    /// Two directions that become one value.
    fn joined(&self, other: &Flow, merge: Merge) -> Option<Flow> {
        let is_pair = self.layer == other.layer
            && self.axes == other.axes
            && self.merge == Merge::Concatenate
            && other.merge == Merge::Concatenate;
        let is_single =
            merge == Merge::Concatenate || (self.directions.len() == 1 && other.directions.len() == 1);
        let mut directions = [self.directions.as_slice(), other.directions.as_slice()].concat();
        if merge != Merge::Concatenate {
            directions.sort_unstable();
        }
        // The axis of directions is there once more where elements were merged.
        let is_open = merge != Merge::Concatenate && self.axes.contains(&Axis::Direction);
        (is_pair && is_single && !is_open && directions.len() <= 2).then(|| Flow {
            directions,
            merge,
            ..self.clone()
        })
    }
}

/// A node's outputs, made from a layer's output; nothing for an output that is not known.
pub(super) fn of_node<'a>(node: &Node<'a>, flow: &Flow, scopes: &Scopes<'a>) -> Result<Vec<Value<'a>>> {
    let other = |place: usize| match scopes.get(node.input(place)) {
        Some(Value::Flow(flow)) => Some(flow),
        _ => None,
    };
    let made = match node.operator {
        "Shape" => {
            let is_whole = node.int("start", 0) == Some(0) && node.attribute("end").is_none();
            return Ok(is_whole.then(|| Value::Partial(flow.shape())).into_iter().collect());
        }
        "Identity" | "Dropout" | "Cast" => Some(flow.clone()),
        "Transpose" => flow.permuted(node.ints("perm")),
        "Squeeze" => {
            let all = || {
                let is_one = |at: &usize| flow.without(*at).is_some();
                (0..flow.axes.len()).filter(is_one).collect()
            };
            let axes: Option<Vec<usize>> = match scopes.option(node, "axes", 1)? {
                Some(axes) => axes.iter().map(|&at| flow.place(at)).collect(),
                None => node.input(1).is_none().then(all),
            };
            axes.and_then(|mut axes| {
                axes.sort_unstable();
                axes.into_iter().rev().try_fold(flow.clone(), |flow, at| flow.without(at))
            })
        }
        "Unsqueeze" => scopes.option(node, "axes", 1)?.and_then(|axes| {
            let rank = flow.axes.len().checked_add(axes.len()).filter(|&rank| rank <= MAX_AXES)?;
            let mut axes = axes.iter().map(|&at| axis(at, rank)).collect::<Option<Vec<_>>>()?;
            axes.sort_unstable();
            axes.into_iter().try_fold(flow.clone(), |mut flow, at| {
                (at <= flow.axes.len()).then(|| flow.axes.insert(at, Axis::One))?;
                Some(flow)
            })
        }),
        "Reshape" => {
            let is_zero_kept = node.int("allowzero", 0) == Some(0);
            scopes.partial(node.input(1))?.and_then(|dims| flow.reshaped(&dims, is_zero_kept))
        }
        "Gather" => gathered(node, flow, scopes)?,
        "Slice" => {
            // Axes of other lengths are not sliced.
            let lens: Vec<usize> = (0..flow.axes.len()).map(|at| flow.len(at).unwrap_or(0)).collect();
            let slices = slices(node, scopes, &lens)?;
            slices.and_then(|slices| {
                slices.into_iter().try_fold(flow.clone(), |flow, (at, rows)| flow.rows(at, rows))
            })
        }
        "Split" => return split(node, flow, scopes),
        "Concat" => match (node.inputs.as_slice(), other(0), other(1)) {
            ([_, _], Some(one), Some(two)) => {
                let at = node.int("axis", 0).and_then(|at| one.place(at));
                let is_merge = at.and_then(|at| one.axes.get(at)).is_some_and(|&axis| match axis {
                    Axis::Direction => true,
                    Axis::Feature => !one.axes.contains(&Axis::Direction),
                    _ => false,
                });
                is_merge.then(|| one.joined(two, Merge::Concatenate)).flatten()
            }
            _ => None,
        },
        "Add" | "Sum" | "Mean" | "Mul"
            if node.inputs.len() == 2 && other(0).is_some() && other(1).is_some() =>
        {
            let merge = match node.operator {
                "Mul" => Merge::Multiply,
                "Mean" => Merge::Average,
                _ => Merge::Sum,
            };
            other(0).zip(other(1)).and_then(|(one, two)| one.joined(two, merge))
        }
        "Mul" | "Div" if flow.merge == Merge::Sum => halved(node, flow, scopes)?,
        "ReduceSum" | "ReduceMean" => reduced(node, flow, scopes)?,
        _ => None,
    };
    Ok(made.into_iter().map(Value::Flow).collect())
}

fn gathered<'a>(node: &Node<'a>, flow: &Flow, scopes: &Scopes<'a>) -> Result<Option<Flow>> {
    let Some(at) = node.int("axis", 0).and_then(|at| flow.place(at)) else { return Ok(None) };
    let places = scopes.integers(node.input(1))?;
    let (Some(places), Some(Axis::Direction)) = (places, flow.axes.get(at)) else { return Ok(None) };
    let places = places.iter().map(|&place| axis(place, flow.directions.len())).collect::<Option<Vec<_>>>();
    let picked = places.and_then(|places| flow.picked(at, &places));
    let is_one = scopes.constant(node.input(1)).is_some_and(|places: &Recipe<'a>| places.shape().is_empty());
    Ok(picked.and_then(|flow| if is_one { flow.without(at) } else { Some(flow) }))
}

fn split<'a>(node: &Node<'a>, flow: &Flow, scopes: &Scopes<'a>) -> Result<Vec<Value<'a>>> {
    let at = node.int("axis", 0).and_then(|at| flow.place(at));
    let Some((at, len)) = at.and_then(|at| Some((at, flow.len(at)?))) else { return Ok(Vec::new()) };
    let Some(lengths) = lengths(node, scopes, len)? else { return Ok(Vec::new()) };
    let mut start = 0_usize;
    let parts = lengths.into_iter().map(|len| {
        let end = start.checked_add(len)?;
        let part = flow.rows(at, start..end).map(Value::Flow);
        start = end;
        part
    });
    Ok(parts.collect::<Option<Vec<_>>>().unwrap_or_default())
}

/// Half of a sum, by a number of the model.
fn halved<'a>(node: &Node<'a>, flow: &Flow, scopes: &Scopes<'a>) -> Result<Option<Flow>> {
    let half = if node.operator == "Mul" { 0.5 } else { 2.0 };
    let number = |name: Option<&Name>| match scopes.constant(name) {
        Some(recipe) if count(recipe.shape()) == Some(1) => {
            recipe.read::<f64>().map(|numbers| numbers.first().copied())
        }
        _ => Ok(None),
    };
    let is_half = number(node.input(1))? == Some(half)
        || (node.operator == "Mul" && number(node.input(0))? == Some(half));
    Ok(is_half.then(|| Flow { merge: Merge::Average, ..flow.clone() }))
}

/// The sum or the mean over the axis of directions.
fn reduced<'a>(node: &Node<'a>, flow: &Flow, scopes: &Scopes<'a>) -> Result<Option<Flow>> {
    let axes = scopes.option(node, "axes", 1)?;
    let Some(&[at]) = axes.as_deref() else { return Ok(None) };
    let Some(at) = flow.place(at).filter(|&at| flow.axes.get(at) == Some(&Axis::Direction)) else {
        return Ok(None);
    };
    let mut made = flow.clone();
    made.directions.sort_unstable();
    made.merge = if node.operator == "ReduceSum" { Merge::Sum } else { Merge::Average };
    match node.int("keepdims", 1) {
        Some(0) => drop(made.axes.remove(at)),
        _ => made.axes.iter_mut().skip(at).take(1).for_each(|axis| *axis = Axis::One),
    }
    Ok((flow.directions.len() == 2 && flow.merge == Merge::Concatenate).then_some(made))
}
