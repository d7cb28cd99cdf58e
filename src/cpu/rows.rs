//! The operands of products: rows of numbers, one per time step and batch row.

use ndarray::ArrayView3;
use std::ops::Range;

/// Rows of numbers, one per step and batch row.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    data: &'a [f32],
    /// From a step to the next, and from a batch row to the next.
    strides: [usize; 2],
    batch: usize,
    pub count: usize,
}

impl<'a> Rows<'a> {
    /// `[rows, stride]`
    pub fn of_matrix(data: &'a [f32], stride: usize) -> Rows<'a> {
        let count = data.len() / stride.max(1);
        Rows { data, strides: [0, stride], batch: count, count }
    }

    /// The columns from `first` on of `[rows, stride]`.
    pub fn of_columns(data: &'a [f32], stride: usize, first: usize) -> Rows<'a> {
        Rows { data: &data[first..], ..Rows::of_matrix(data, stride) }
    }

    /// `[T, N, I]` whose numbers lie in memory without gaps, a row's side by side; none for another.
    pub fn of_sequence(view: ArrayView3<'a, f32>) -> Option<Rows<'a>> {
        let (steps, batch, width) = view.dim();
        let stride = |axis: usize| match view.shape()[axis] {
            1 => Some(0),
            _ => usize::try_from(view.strides()[axis]).ok(),
        };
        let strides = [stride(0)?, stride(1)?];
        let side_by_side = width == 1 || view.strides()[2] == 1;
        let data = view.to_slice_memory_order().filter(|_| side_by_side)?;
        Some(Rows { data, strides, batch, count: steps * batch })
    }

    /// Some steps of some batch rows.
    pub fn part(self, first_step: usize, steps: usize, first_row: usize, batch: usize) -> Rows<'a> {
        let offset = first_step * self.strides[0] + first_row * self.strides[1];
        Rows { data: &self.data[offset..], batch, count: steps * batch, ..self }
    }

    /// How many.
    pub fn count(&self) -> usize {
        self.count
    }

    #[inline(always)]
    pub fn row(&self, index: usize, len: usize) -> &'a [f32] {
        let (step, row) = (index / self.batch, index % self.batch);
        &self.data[step * self.strides[0] + row * self.strides[1]..][..len]
    }
}

/// Some columns of rows of numbers.
#[derive(Clone, Copy)]
pub struct Columns<'a> {
    pub data: &'a [f32],
    pub stride: usize,
    pub first: usize,
    pub width: usize,
}

impl<'a> Columns<'a> {
    /// All columns of `[rows, width]`.
    pub fn all(data: &'a [f32], width: usize) -> Columns<'a> {
        Columns { data, stride: width, first: 0, width }
    }

    /// The same columns of some rows.
    pub fn part(self, rows: Range<usize>) -> Columns<'a> {
        Columns { data: &self.data[rows.start * self.stride..rows.end * self.stride], ..self }
    }

    pub fn rows(&self) -> usize {
        self.data.len() / self.stride
    }

    #[inline(always)]
    pub fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride + self.first..][..self.width]
    }
}
