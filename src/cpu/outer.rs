//! The gradient of a weight: the sum over all steps and batch rows of the outer products of two rows.

use super::aligned::Aligned;
use super::packed_weight::PackedWeight;
use pulp::Arch;

/// Rows whose outer products are added up before they are added to the others: the sum of very many rows errs
/// less in parts. Every part has as many rows, whatever the threads.
const PART: usize = 256;

/// The memory of such a sum.
#[derive(Debug, Default)]
pub struct OuterProducts {
    /// The left rows, transposed.
    left: Aligned,
    /// The right rows, as a weight of K = [`PART`].
    right: PackedWeight,
    sums: Aligned,
}

impl OuterProducts {
    /// Adds to `target`, `[left.width, right.width]`, the sum of leftᵀ right over all rows.
    pub fn add(
        &mut self,
        arch: Arch,
        left: Columns<'_>,
        right: Columns<'_>,
        target: &mut [f32],
        threads: usize,
    ) {
        let (height, width) = (left.width, right.width);
        for first in (0..left.rows()).step_by(PART) {
            let count = PART.min(left.rows() - first);
            self.left.resize(height * count);
            for row in 0..count {
                for (column, &number) in left.row(first + row).iter().enumerate() {
                    self.left[column * count + row] = number;
                }
            }
            self.right.pack_rows(arch, width, (0..count).map(|row| right.row(first + row)));
            self.sums.resize(height * self.right.columns());
            let rows = super::packed_weight::Rows::of_matrix(&self.left, count);
            self.right.product(arch, rows, &mut self.sums, threads);
            let sums = self.sums.chunks_exact(self.right.columns());
            for (target, sums) in target.chunks_exact_mut(width).zip(sums) {
                target.iter_mut().zip(sums).for_each(|(target, sum)| *target += sum);
            }
        }
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

    /// The sum of all rows, in parts as a weight's gradient.
    pub fn sum(&self) -> Vec<f32> {
        let mut total = vec![0.0; self.width];
        for first in (0..self.rows()).step_by(PART) {
            let mut part = vec![0.0; self.width];
            for row in first..self.rows().min(first + PART) {
                part.iter_mut().zip(self.row(row)).for_each(|(sum, number)| *sum += number);
            }
            total.iter_mut().zip(part).for_each(|(total, part)| *total += part);
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
