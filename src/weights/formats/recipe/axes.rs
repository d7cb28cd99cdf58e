//! The axes of tensors: fewer, more, in another order.

use super::super::count;
use super::{From, Recipe};

impl<'a> Recipe<'a> {
    /// The tensor without an axis, at one place of the axis.
    pub fn index(&self, axis: usize, place: usize) -> Option<Recipe<'a>> {
        self.slice(axis, place..place.checked_add(1)?)?.without_axis(axis)
    }

    /// The tensor without an axis of length 1.
    pub fn without_axis(&self, axis: usize) -> Option<Recipe<'a>> {
        let mut shape = self.shape.clone();
        (*shape.get(axis)? == 1).then(|| shape.remove(axis))?;
        let from = match &self.from {
            From::View(view) => return Some(Recipe::from(view.index(axis, 0)?)),
            From::Zeros => From::Zeros,
            // Of parts on this axis, one is not empty.
            From::Joined(along, parts) if *along == axis => {
                return parts.iter().find(|part| part.shape.get(axis) == Some(&1))?.without_axis(axis);
            }
            From::Joined(along, parts) => {
                let parts = parts.iter().map(|part| part.without_axis(axis));
                let along = if *along > axis { along.checked_sub(1)? } else { *along };
                From::Joined(along, parts.collect::<Option<_>>()?)
            }
            From::Sum(pair) => {
                let [one, other] = &**pair;
                From::Sum(Box::new([one.without_axis(axis)?, other.without_axis(axis)?]))
            }
            // The scale would have no axis, unless it is one number for all places.
            From::Scaled { of, axis: along, scale, zero } => {
                let is_one = |of: &Recipe<'_>| count(&of.shape) == Some(1);
                if *along == axis && !(is_one(scale) && is_one(zero) && !shape.is_empty()) {
                    return None;
                }
                let along = if *along > axis { along.checked_sub(1)? } else { *along };
                let along = along.min(shape.len().checked_sub(1)?);
                let (of, scale, zero) = (of.without_axis(axis)?.into(), scale.clone(), zero.clone());
                From::Scaled { of, axis: along, scale, zero }
            }
        };
        Some(Recipe { shape, from })
    }

    /// The tensor with one more axis, of length 1.
    pub fn with_axis(&self, axis: usize) -> Option<Recipe<'a>> {
        let mut shape = self.shape.clone();
        (axis <= shape.len()).then(|| shape.insert(axis, 1))?;
        let moved = |along: usize| if along >= axis { along.checked_add(1) } else { Some(along) };
        let from = match &self.from {
            From::View(view) => From::View(view.with_axis(axis)?),
            From::Zeros => From::Zeros,
            From::Joined(along, parts) => {
                let parts = parts.iter().map(|part| part.with_axis(axis));
                From::Joined(moved(*along)?, parts.collect::<Option<_>>()?)
            }
            From::Sum(pair) => {
                let [one, other] = &**pair;
                From::Sum(Box::new([one.with_axis(axis)?, other.with_axis(axis)?]))
            }
            From::Scaled { of, axis: along, scale, zero } => {
                let (of, scale, zero) = (of.with_axis(axis)?.into(), scale.clone(), zero.clone());
                From::Scaled { of, axis: moved(*along)?, scale, zero }
            }
        };
        Some(Recipe { shape, from })
    }

    /// The axes in another order: axis i of the result is axis `order[i]`.
    pub fn permute(&self, order: &[usize]) -> Option<Recipe<'a>> {
        let shape = order.iter().map(|&axis| self.shape.get(axis).copied()).collect::<Option<Vec<_>>>()?;
        let is_order = (0..self.shape.len()).all(|axis| order.contains(&axis));
        if order.len() != self.shape.len() || !is_order {
            return None;
        }
        let moved = |along: usize| order.iter().position(|&axis| axis == along);
        let from = match &self.from {
            From::View(view) => From::View(view.permute(order)?),
            From::Zeros => From::Zeros,
            From::Joined(along, parts) => {
                let parts = parts.iter().map(|part| part.permute(order));
                From::Joined(moved(*along)?, parts.collect::<Option<_>>()?)
            }
            From::Sum(pair) => {
                let [one, other] = &**pair;
                From::Sum(Box::new([one.permute(order)?, other.permute(order)?]))
            }
            From::Scaled { of, axis, scale, zero } => {
                let (of, scale, zero) = (of.permute(order)?.into(), scale.clone(), zero.clone());
                From::Scaled { of, axis: moved(*axis)?, scale, zero }
            }
        };
        Some(Recipe { shape, from })
    }

    /// The same numbers with another shape: of a view in row-major order, or with other axes of length 1.
    pub fn reshape(&self, shape: &[usize]) -> Option<Recipe<'a>> {
        if self.shape == shape {
            return Some(self.clone());
        }
        match &self.from {
            From::View(view) => {
                if let Some(view) = view.reshape(shape) {
                    return Some(Recipe::from(view));
                }
            }
            From::Zeros => return (count(shape)? == count(&self.shape)?).then(|| Recipe::zeros(shape)),
            _ => {}
        }
        let longer = |shape: &[usize]| shape.iter().copied().filter(|&len| len != 1).collect::<Vec<_>>();
        if longer(&self.shape) != longer(shape) {
            return None;
        }
        let mut found = self.clone();
        // First without any, then with those of the shape.
        for axis in (0..self.shape.len()).rev().filter(|&axis| self.shape.get(axis) == Some(&1)) {
            found = found.without_axis(axis)?;
        }
        for (axis, _) in shape.iter().enumerate().filter(|(_, len)| **len == 1) {
            found = found.with_axis(axis)?;
        }
        Some(found)
    }

    /// The parts that the tensor is made of, by which its memory is counted.
    pub fn parts(&self) -> usize {
        let within = match &self.from {
            From::View(_) | From::Zeros => 0,
            From::Joined(_, parts) => parts.iter().fold(0, |all, part| part.parts().saturating_add(all)),
            From::Sum(pair) => pair.iter().fold(0, |all, part| part.parts().saturating_add(all)),
            From::Scaled { of, scale, zero, .. } => {
                of.parts().saturating_add(scale.parts()).saturating_add(zero.parts())
            }
        };
        within.saturating_add(1)
    }
}
