//! Recipes: tensors of ours, made from the arrays of a file.

mod axes;

use super::{Element, View};
use crate::{Float, Result, memory};
use ndarray::{ArrayD, ArrayViewMutD, Axis, Zip};
use std::ops::Range;

/// A tensor as it is made from arrays. Nothing is read before [`write`](Recipe::write).
#[derive(Clone, Debug)]
pub(crate) struct Recipe<'a> {
    shape: Vec<usize>,
    from: From<'a>,
}

#[derive(Clone, Debug)]
enum From<'a> {
    View(View<'a>),
    Zeros,
    /// Parts one after the other on an axis.
    Joined(usize, Vec<Recipe<'a>>),
    Sum(Box<[Recipe<'a>; 2]>),
    /// (x - zero) * scale, with zero and scale for each place of an axis, or one for all places.
    Scaled {
        of: Box<Recipe<'a>>,
        axis: usize,
        scale: Box<Recipe<'a>>,
        zero: Box<Recipe<'a>>,
    },
}

impl<'a> std::convert::From<View<'a>> for Recipe<'a> {
    fn from(view: View<'a>) -> Recipe<'a> {
        Recipe { shape: view.shape.clone(), from: From::View(view) }
    }
}

impl<'a> Recipe<'a> {
    pub fn zeros(shape: &[usize]) -> Recipe<'a> {
        Recipe { shape: shape.to_vec(), from: From::Zeros }
    }

    /// Parts one after the other on an axis; none if their other axes differ.
    pub fn joined(axis: usize, parts: Vec<Recipe<'a>>) -> Option<Recipe<'a>> {
        let mut shape = parts.first()?.shape.clone();
        *shape.get_mut(axis)? = 0;
        for part in &parts {
            let len = *part.shape.get(axis)?;
            let sum = shape.get(axis)?.checked_add(len)?;
            *shape.get_mut(axis)? = sum;
            let mut other = part.shape.clone();
            *other.get_mut(axis)? = sum;
            if other != shape {
                return None;
            }
        }
        Some(Recipe { shape, from: From::Joined(axis, parts) })
    }

    /// The sum of two tensors of one shape.
    #[cfg_attr(not(test), expect(dead_code, reason = "for ONNX and Keras"))]
    pub fn sum(self, other: Recipe<'a>) -> Option<Recipe<'a>> {
        (self.shape == other.shape)
            .then(|| Recipe { shape: self.shape.clone(), from: From::Sum(Box::new([self, other])) })
    }

    /// Integers with a scale and a zero point: (x - zero) * scale. Both are of one number, or of one for each
    /// place of an axis.
    pub fn scaled(self, axis: usize, scale: Recipe<'a>, zero: Recipe<'a>) -> Option<Recipe<'a>> {
        let len = *self.shape.get(axis)?;
        let fits = |of: &Recipe<'_>| super::count(&of.shape).is_some_and(|count| count == 1 || count == len);
        (fits(&scale) && fits(&zero)).then(|| Recipe {
            shape: self.shape.clone(),
            from: From::Scaled { of: self.into(), axis, scale: scale.into(), zero: zero.into() },
        })
    }

    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The types of the arrays that the tensor is made from.
    pub fn elements(&self) -> Vec<&Element> {
        match &self.from {
            From::View(view) => vec![&view.element],
            From::Zeros => Vec::new(),
            From::Joined(_, parts) => parts.iter().flat_map(Recipe::elements).collect(),
            From::Sum(pair) => pair.iter().flat_map(Recipe::elements).collect(),
            From::Scaled { of, .. } => of.elements(),
        }
    }

    /// True for zeros that no array has.
    pub fn is_zeros(&self) -> bool {
        match &self.from {
            From::Zeros => true,
            From::Joined(_, parts) => parts.iter().all(Recipe::is_zeros),
            _ => false,
        }
    }

    /// Some rows, of any axis; none if they are not all there.
    pub fn slice(&self, axis: usize, rows: Range<usize>) -> Option<Recipe<'a>> {
        let mut shape = self.shape.clone();
        let len = rows.end.checked_sub(rows.start)?;
        if rows.end > *shape.get(axis)? {
            return None;
        }
        *shape.get_mut(axis)? = len;
        let from = match &self.from {
            From::View(view) => From::View(view.slice(axis, rows)?),
            From::Zeros => From::Zeros,
            From::Joined(along, parts) if *along == axis => {
                let (mut kept, mut start) = (Vec::new(), 0_usize);
                for part in parts {
                    let end = start.checked_add(*part.shape.get(axis)?)?;
                    let (from, to) = (rows.start.max(start), rows.end.min(end));
                    if from < to {
                        kept.push(part.slice(axis, from.checked_sub(start)?..to.checked_sub(start)?)?);
                    }
                    start = end;
                }
                From::Joined(axis, kept)
            }
            From::Joined(along, parts) => {
                let parts = parts.iter().map(|part| part.slice(axis, rows.clone()));
                From::Joined(*along, parts.collect::<Option<_>>()?)
            }
            From::Sum(pair) => {
                let [one, other] = &**pair;
                From::Sum(Box::new([one.slice(axis, rows.clone())?, other.slice(axis, rows)?]))
            }
            From::Scaled { of, axis: along, scale, zero } => {
                let of = Box::new(of.slice(axis, rows.clone())?);
                let part =
                    |number: &Recipe<'a>| match axis == *along && super::count(&number.shape) != Some(1) {
                        true => number.slice(0, rows.clone()).map(Box::new),
                        false => Some(Box::new(number.clone())),
                    };
                let (scale, zero) = (part(scale)?, part(zero)?);
                From::Scaled { of, axis: *along, scale, zero }
            }
        };
        Some(Recipe { shape, from })
    }

    /// Row blocks in another order: block i of the result is block `order[i]` of as many blocks.
    pub fn blocks(&self, order: &[usize]) -> Option<Recipe<'a>> {
        let rows = *self.shape.first()?;
        let each = rows.checked_div(order.len())?;
        if each.checked_mul(order.len())? != rows {
            return None;
        }
        let block = |&block: &usize| {
            let start = block.checked_mul(each)?;
            self.slice(0, start..start.checked_add(each)?)
        };
        Recipe::joined(0, order.iter().map(block).collect::<Option<_>>()?)
    }

    /// The numbers, which become those of an array of this shape.
    pub fn write<T: Float>(&self, mut into: ArrayViewMutD<'_, T>) -> Result<()> {
        match &self.from {
            From::View(view) => view.write(into),
            From::Zeros => {
                into.fill(T::zero());
                Ok(())
            }
            From::Joined(axis, parts) => {
                let mut rest = into;
                for part in parts {
                    let len = part.shape.get(*axis).copied().unwrap_or(0);
                    let (first, behind) = rest.split_at(Axis(*axis), len);
                    part.write(first)?;
                    rest = behind;
                }
                Ok(())
            }
            From::Sum(pair) => {
                let [one, other] = &**pair;
                one.write(into.view_mut())?;
                let other = other.read::<T>()?;
                Zip::from(&mut into).and(&other).for_each(|into, &other| add(into, other));
                Ok(())
            }
            From::Scaled { of, axis, scale, zero } => {
                of.write(into.view_mut())?;
                let (scale, zero) = (scale.read::<T>()?, zero.read::<T>()?);
                // One number for all places, or one for each.
                let (scale, zero) = (scale.iter().cycle(), zero.iter().cycle());
                for (mut row, (&scale, &zero)) in into.axis_iter_mut(Axis(*axis)).zip(scale.zip(zero)) {
                    row.mapv_inplace(|x| dequantised(x, zero, scale));
                }
                Ok(())
            }
        }
    }

    /// The numbers as an array of their own.
    pub fn read<T: Float>(&self) -> Result<ArrayD<T>> {
        memory::check::<T>(|| "an array of a file".into(), &self.shape)?;
        let mut array = ArrayD::from_elem(self.shape.as_slice(), T::zero());
        self.write(array.view_mut())?;
        Ok(array)
    }
}

#[expect(clippy::arithmetic_side_effects, reason = "floats do not overflow")]
fn add<T: Float>(into: &mut T, other: T) {
    *into = *into + other;
}

#[expect(clippy::arithmetic_side_effects, reason = "floats do not overflow")]
fn dequantised<T: Float>(x: T, zero: T, scale: T) -> T {
    (x - zero) * scale
}

#[cfg(test)]
mod tests {
    use super::super::Part;
    use super::*;
    use ndarray::{Array2, arr1, arr2};

    /// Rows of consecutive numbers from 0 on, as f32 in memory.
    fn counting(rows: usize, columns: usize) -> View<'static> {
        let numbers = (0..rows.saturating_mul(columns)).flat_map(|number| (number as f32).to_le_bytes());
        View::new(Element::F32, vec![rows, columns], Part::whole(numbers.collect::<Vec<_>>())).unwrap()
    }

    fn integers(numbers: &[i8]) -> View<'static> {
        let bytes = numbers.iter().map(|&number| number as u8).collect::<Vec<_>>();
        View::new(Element::I8, vec![numbers.len()], Part::whole(bytes)).unwrap()
    }

    #[track_caller]
    fn check(recipe: &Recipe<'_>, expected: &Array2<f32>) {
        assert_eq!(recipe.shape(), expected.shape());
        assert_eq!(recipe.read::<f32>().unwrap(), expected.clone().into_dyn());
        // The other type, into memory with strides.
        let mut turned = Array2::<f64>::zeros((expected.ncols(), expected.nrows()));
        recipe.write(turned.view_mut().reversed_axes().into_dyn()).unwrap();
        assert_eq!(turned.t(), expected.mapv(f64::from));
    }

    /// Keras's kernel becomes PyTorch's weight: transposed, its blocks in another order.
    #[test]
    fn transposed_blocks() {
        let kernel = Recipe::from(counting(2, 4).permute(&[1, 0]).unwrap());
        check(&kernel, &arr2(&[[0.0, 4.0], [1.0, 5.0], [2.0, 6.0], [3.0, 7.0]]));
        check(&kernel.blocks(&[1, 0]).unwrap(), &arr2(&[[2.0, 6.0], [3.0, 7.0], [0.0, 4.0], [1.0, 5.0]]));
        check(&kernel.slice(0, 1..3).unwrap().slice(1, 1..2).unwrap(), &arr2(&[[5.0], [6.0]]));
        assert!(kernel.blocks(&[0, 1, 2]).is_none());
        assert!(counting(2, 4).permute(&[0, 0]).is_none());
    }

    /// ONNX's tensors have an axis of directions.
    #[test]
    fn an_axis_is_taken_away() {
        let all = counting(2, 6).reshape(&[2, 3, 2]).unwrap();
        check(
            &Recipe::from(all.clone()).index(0, 1).unwrap(),
            &arr2(&[[6.0, 7.0], [8.0, 9.0], [10.0, 11.0]]),
        );
        check(&Recipe::from(all.index(1, 2).unwrap()), &arr2(&[[4.0, 5.0], [10.0, 11.0]]));
        assert!(all.index(1, 3).is_none());
    }

    #[test]
    fn parts_joined_and_cut_again() {
        let parts = vec![counting(1, 2).into(), Recipe::zeros(&[1, 2]), counting(2, 2).into()];
        let joined = Recipe::joined(0, parts).unwrap();
        check(&joined, &arr2(&[[0.0, 1.0], [0.0, 0.0], [0.0, 1.0], [2.0, 3.0]]));
        check(&joined.slice(0, 1..3).unwrap(), &arr2(&[[0.0, 0.0], [0.0, 1.0]]));
        check(&joined.slice(1, 1..2).unwrap(), &arr2(&[[1.0], [0.0], [1.0], [3.0]]));
        assert!(Recipe::joined(0, vec![counting(1, 2).into(), counting(1, 3).into()]).is_none());
    }

    #[test]
    fn sums_and_scales() {
        let sum = Recipe::from(counting(2, 2)).sum(counting(2, 2).into()).unwrap();
        check(&sum, &arr2(&[[0.0, 2.0], [4.0, 6.0]]));
        // A scale and a zero point for each row, or one zero point for all.
        let scaled = |zero: &[i8]| {
            let scale = Recipe::from(counting(1, 2).reshape(&[2]).unwrap());
            Recipe::from(counting(2, 2)).scaled(0, scale, integers(zero).into())
        };
        check(&scaled(&[0, -1]).unwrap(), &arr2(&[[0.0, 0.0], [3.0, 4.0]]));
        check(&scaled(&[-1]).unwrap().slice(0, 1..2).unwrap(), &arr2(&[[3.0, 4.0]]));
        assert!(scaled(&[1, 2, 3]).is_none());
        assert_eq!(Recipe::from(integers(&[-3, 5])).read::<f32>().unwrap(), arr1(&[-3.0, 5.0]).into_dyn());
    }
}
