//! The arrays of a file: type, shape, and the place of their numbers.

use super::{Fault, Part};
use crate::{Float, Result};
use half::{bf16, f16};
use ndarray::ArrayViewMutD;
use std::borrow::Cow;
use std::ops::Range;

/// Bytes that are converted at a time.
const CHUNK: usize = 1 << 16;

/// The type of an array's numbers, little-endian.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Element {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    /// A type that no weight is read from, by its name in the format.
    Other(Cow<'static, str>),
}

impl Element {
    /// Bytes of a number; none of a type that is not read.
    pub const fn size(&self) -> Option<usize> {
        match self {
            Element::F64 | Element::I64 | Element::U64 => Some(8),
            Element::F32 | Element::I32 | Element::U32 => Some(4),
            Element::F16 | Element::BF16 | Element::I16 | Element::U16 => Some(2),
            Element::I8 | Element::U8 | Element::Bool => Some(1),
            Element::Other(_) => None,
        }
    }

    pub fn name(&self) -> &str {
        match self {
            Element::F64 => "f64",
            Element::F32 => "f32",
            Element::F16 => "f16",
            Element::BF16 => "bf16",
            Element::I64 => "i64",
            Element::I32 => "i32",
            Element::I16 => "i16",
            Element::I8 => "i8",
            Element::U64 => "u64",
            Element::U32 => "u32",
            Element::U16 => "u16",
            Element::U8 => "u8",
            Element::Bool => "bool",
            Element::Other(name) => name,
        }
    }

    /// Numbers of another type, from their bytes.
    fn convert<T: Float>(&self, bytes: &[u8], into: &mut [T]) {
        fn all<const N: usize, T>(bytes: &[u8], into: &mut [T], number: impl Fn([u8; N]) -> T) {
            let (numbers, _) = bytes.as_chunks::<N>();
            into.iter_mut().zip(numbers).for_each(|(into, &bytes)| *into = number(bytes));
        }
        // Every integer and float converts to a float, to the nearest one.
        fn to<T: Float>(number: impl num_traits::ToPrimitive) -> T {
            T::from(number).unwrap_or_else(T::nan)
        }
        match self {
            Element::F64 => all(bytes, into, |bytes| to(f64::from_le_bytes(bytes))),
            Element::F32 => all(bytes, into, |bytes| to(f32::from_le_bytes(bytes))),
            Element::F16 => all(bytes, into, |bytes| to(f16::from_le_bytes(bytes).to_f32())),
            Element::BF16 => all(bytes, into, |bytes| to(bf16::from_le_bytes(bytes).to_f32())),
            Element::I64 => all(bytes, into, |bytes| to(i64::from_le_bytes(bytes))),
            Element::I32 => all(bytes, into, |bytes| to(i32::from_le_bytes(bytes))),
            Element::I16 => all(bytes, into, |bytes| to(i16::from_le_bytes(bytes))),
            Element::I8 => all(bytes, into, |bytes| to(i8::from_le_bytes(bytes))),
            Element::U64 => all(bytes, into, |bytes| to(u64::from_le_bytes(bytes))),
            Element::U32 => all(bytes, into, |bytes| to(u32::from_le_bytes(bytes))),
            Element::U16 => all(bytes, into, |bytes| to(u16::from_le_bytes(bytes))),
            Element::U8 | Element::Bool => all(bytes, into, |[byte]| to(byte)),
            // Refused by `View::new`'s readers.
            Element::Other(_) => {}
        }
    }
}

/// An array of a file.
#[derive(Clone, Debug)]
pub(crate) struct Array<'a> {
    pub name: String,
    pub view: View<'a>,
}

/// Numbers of a file as an array: any part of an array, in any order of its axes.
#[derive(Clone, Debug)]
pub(crate) struct View<'a> {
    pub element: Element,
    pub shape: Vec<usize>,
    /// Numbers from one element of an axis to the next; none for an array in row-major order.
    strides: Option<Vec<usize>>,
    /// The number that is the first element.
    offset: usize,
    data: Part<'a>,
}

impl<'a> View<'a> {
    /// An array in row-major order, whose numbers are the whole of `data`. None if the lengths differ.
    pub fn new(element: Element, shape: Vec<usize>, data: Part<'a>) -> Option<View<'a>> {
        let len = count(&shape)?;
        let fits = match element.size() {
            Some(size) => len.checked_mul(size)? as u64 == data.len(),
            None => true,
        };
        fits.then_some(View { element, shape, strides: None, offset: 0, data })
    }

    /// An array with strides, in numbers, whose elements all lie within `data`.
    pub fn strided(
        element: Element,
        shape: Vec<usize>,
        strides: Vec<usize>,
        offset: usize,
        data: Part<'a>,
    ) -> Option<View<'a>> {
        let len = count(&shape)?;
        let size = element.size().unwrap_or(1);
        if strides.len() != shape.len() {
            return None;
        }
        if len > 0 {
            let mut last = offset;
            for (axis, stride) in shape.iter().zip(&strides) {
                last = last.checked_add(axis.checked_sub(1)?.checked_mul(*stride)?)?;
            }
            if last.checked_add(1)?.checked_mul(size)? as u64 > data.len() {
                return None;
            }
        }
        let strides = (Some(&strides) != row_major(&shape).as_ref()).then_some(strides);
        Some(View { element, shape, strides, offset, data })
    }

    /// Numbers of the array.
    pub fn len(&self) -> usize {
        // Counted when the view was made, and no larger since.
        count(&self.shape).unwrap_or(0)
    }

    fn strides(&self) -> Option<Cow<'_, [usize]>> {
        match &self.strides {
            Some(strides) => Some(Cow::Borrowed(strides)),
            None => row_major(&self.shape).map(Cow::Owned),
        }
    }

    /// Some rows, of any axis; none if they are not all there.
    pub fn slice(&self, axis: usize, rows: Range<usize>) -> Option<View<'a>> {
        let mut strides = self.strides()?.into_owned();
        let mut shape = self.shape.clone();
        let len = rows.end.checked_sub(rows.start)?;
        if rows.end > *shape.get(axis)? {
            return None;
        }
        let offset = self.offset.checked_add(rows.start.checked_mul(*strides.get(axis)?)?)?;
        *shape.get_mut(axis)? = len;
        if Some(&strides) == row_major(&shape).as_ref() {
            strides.clear();
        }
        let strides = (!strides.is_empty() || shape.is_empty()).then_some(strides);
        Some(View { element: self.element.clone(), shape, strides, offset, data: self.data.clone() })
    }

    /// The array without an axis, at one place of the axis.
    pub fn index(&self, axis: usize, place: usize) -> Option<View<'a>> {
        let mut view = self.slice(axis, place..place.checked_add(1)?)?;
        let mut strides = view.strides()?.into_owned();
        view.shape.remove(axis);
        strides.remove(axis);
        view.strides = (Some(&strides) != row_major(&view.shape).as_ref()).then_some(strides);
        Some(view)
    }

    /// The array with one more axis, of length 1.
    pub fn with_axis(&self, axis: usize) -> Option<View<'a>> {
        let mut view = self.clone();
        (axis <= view.shape.len()).then(|| view.shape.insert(axis, 1))?;
        if let Some(strides) = &mut view.strides {
            strides.insert(axis, 1);
        }
        Some(view)
    }

    /// The axes in another order: axis i of the result is axis `order[i]`.
    pub fn permute(&self, order: &[usize]) -> Option<View<'a>> {
        let strides = self.strides()?;
        let mut seen = vec![false; self.shape.len()];
        for &axis in order {
            if std::mem::replace(seen.get_mut(axis)?, true) {
                return None;
            }
        }
        if order.len() != seen.len() {
            return None;
        }
        let pick = |of: &[usize]| order.iter().filter_map(|&axis| of.get(axis).copied()).collect::<Vec<_>>();
        let (shape, strides) = (pick(&self.shape), pick(&strides));
        let strides = (Some(&strides) != row_major(&shape).as_ref()).then_some(strides);
        Some(View { shape, strides, ..self.clone() })
    }

    /// The same numbers with another shape; none of an array that is not in row-major order.
    pub fn reshape(&self, shape: &[usize]) -> Option<View<'a>> {
        if self.strides.is_some() || count(shape)? != self.len() {
            return None;
        }
        Some(View { shape: shape.to_vec(), ..self.clone() })
    }

    /// Writes the numbers into an array of the same shape.
    pub fn write<T: Float>(&self, mut into: ArrayViewMutD<'_, T>) -> Result<()> {
        debug_assert_eq!(into.shape(), self.shape);
        let Some(size) = self.element.size() else {
            return Err(Fault::new("array").error("type", "floats or integers", self.element.name()));
        };
        let at = |number: usize| number.saturating_mul(size) as u64;
        match (&self.strides, into.as_slice_mut()) {
            (None, Some(into)) => self.write_row(size, at(self.offset), into),
            (None, None) => {
                let mut row = vec![T::zero(); self.len()];
                self.write_row(size, at(self.offset), &mut row)?;
                into.iter_mut().zip(row).for_each(|(into, number)| *into = number);
                Ok(())
            }
            (Some(strides), _) => {
                // The numbers between the first and the last one, in memory.
                let reach = self
                    .shape
                    .iter()
                    .zip(strides)
                    .map(|(&axis, &stride)| axis.saturating_sub(1).saturating_mul(stride));
                let len = reach.fold(1_usize, usize::saturating_add);
                let len = if self.len() == 0 { 0 } else { len };
                crate::memory::check::<T>(|| "an array in another order".into(), &[len])?;
                let mut numbers = vec![T::zero(); len];
                self.write_row(size, at(self.offset), &mut numbers)?;
                for (place, into) in into.indexed_iter_mut() {
                    let steps = strides.iter().enumerate();
                    let from = steps.map(|(axis, &stride)| place[axis].saturating_mul(stride));
                    // Within the reach of the strides.
                    *into = numbers[from.fold(0, usize::saturating_add)];
                }
                Ok(())
            }
        }
    }

    /// Reads numbers that lie one after the other.
    fn write_row<T: Float>(&self, size: usize, mut at: u64, into: &mut [T]) -> Result<()> {
        let is_same = match self.element {
            Element::F32 => T::DTYPE == safetensors::Dtype::F32,
            Element::F64 => T::DTYPE == safetensors::Dtype::F64,
            _ => false,
        };
        if is_same && cfg!(target_endian = "little") {
            return self.data.read_at(at, T::bytes_mut(into));
        }
        let mut bytes = vec![0; CHUNK.min(into.len().saturating_mul(size))];
        for into in into.chunks_mut(CHUNK.checked_div(size).unwrap_or(CHUNK)) {
            let len = into.len().saturating_mul(size);
            let some = bytes.get_mut(..len).unwrap_or_default();
            self.data.read_at(at, some)?;
            self.element.convert(some, into);
            at = at.saturating_add(len as u64);
        }
        Ok(())
    }
}

/// Numbers of a shape; none if they cannot be counted.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    // An axis of length 0 does not make the others countable.
    let rest =
        shape.iter().filter(|&&axis| axis > 0).try_fold(1_usize, |all, &axis| all.checked_mul(axis))?;
    let is_empty = shape.contains(&0);
    (rest <= isize::MAX as usize).then_some(if is_empty { 0 } else { rest })
}

fn row_major(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![1_usize; shape.len()];
    let mut step = 1_usize;
    for (stride, &axis) in strides.iter_mut().zip(shape).rev() {
        *stride = step;
        step = step.checked_mul(axis.max(1))?;
    }
    Some(strides)
}
