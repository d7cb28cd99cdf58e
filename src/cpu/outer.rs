//! The gradient of a weight: the sum over all steps and batch rows of the outer products of two rows.

use super::aligned::{Aligned, LINE};
use super::packed_weight::{PackedWeight, Rows};
use pulp::Arch;
use rayon::prelude::*;

/// Rows whose numbers are packed at a time. The number is a multiple of the rows that a product adds up by
/// themselves, so that no bit depends on the packing.
const PART: usize = 512;

/// The memory of such a sum.
#[derive(Debug, Default)]
pub struct OuterProducts {
    /// The left rows, transposed.
    left: Aligned,
    /// The right rows, as a weight of K = [`PART`].
    right: PackedWeight,
}

/// The sum of outer products: `[rows, stride]`, of which the first columns are numbers.
#[derive(Debug)]
pub struct OuterSum {
    pub numbers: Aligned,
    pub stride: usize,
}

impl OuterProducts {
    /// The sum of leftᵀ right over all rows.
    pub fn sum(&mut self, arch: Arch, left: Columns<'_>, right: Columns<'_>, threads: usize) -> OuterSum {
        let (height, width) = (left.width, right.width);
        self.right.pack_rows(arch, width, std::iter::empty());
        let stride = self.right.columns();
        let mut numbers = Aligned::zeros(height * stride);
        for first in (0..left.rows()).step_by(PART) {
            let count = PART.min(left.rows() - first);
            self.left.resize(height * count);
            let transpose = |(block, lines): (usize, &mut [f32])| {
                // A line of numbers is read from each row, and written side by side into as many rows.
                for row in 0..count {
                    let line = &left.row(first + row)[block * LINE..];
                    for (lines, number) in lines.chunks_exact_mut(count).zip(line) {
                        lines[row] = *number;
                    }
                }
            };
            if threads > 1 {
                let blocks = self.left.par_chunks_mut(LINE * count).enumerate();
                blocks.with_min_len(height.div_ceil(LINE * threads)).for_each(transpose);
            } else {
                self.left.chunks_mut(LINE * count).enumerate().for_each(transpose);
            }
            self.right.pack_rows(arch, width, (0..count).map(|row| right.row(first + row)));
            let rows = Rows::of_matrix(&self.left, count);
            self.right.add_product(arch, rows, &mut numbers, threads);
        }
        OuterSum { numbers, stride }
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

    /// The sum of all rows, in parts: the sum of very many rows errs less so.
    pub fn sum(&self) -> Vec<f32> {
        let mut total = vec![0.0; self.width];
        let mut part = vec![0.0; self.width];
        for first in (0..self.rows()).step_by(PART) {
            part.fill(0.0);
            for row in first..self.rows().min(first + PART) {
                part.iter_mut().zip(self.row(row)).for_each(|(sum, number)| *sum += number);
            }
            total.iter_mut().zip(&part).for_each(|(total, part)| *total += part);
        }
        total
    }

    fn rows(&self) -> usize {
        self.data.len() / self.stride
    }

    fn row(&self, row: usize) -> &'a [f32] {
        &self.data[row * self.stride + self.first..][..self.width]
    }
}
