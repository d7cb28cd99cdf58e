//! The gradient of a weight: the sum over all steps and batch rows of the outer products of two rows.

use super::aligned::Aligned;
use super::arch::Arch;
use super::packed_weight::PackedWeight;
use super::rows::Columns;

/// Rows whose numbers are packed at a time. The number is a multiple of the rows that a product adds up by
/// themselves, so that no bit depends on the packing.
const PART: usize = 512;

/// The sum of outer products: `[rows, stride]`, of which the first columns are numbers.
#[derive(Debug)]
pub struct OuterSum {
    pub numbers: Aligned,
    pub stride: usize,
}

impl OuterSum {
    /// The sum of leftᵀ right over all rows.
    pub fn of(arch: Arch, left: Columns<'_>, right: Columns<'_>, threads: usize) -> OuterSum {
        let (height, width) = (left.width, right.width);
        // The right rows, as a weight of K = [`PART`].
        let mut packed = PackedWeight::default();
        packed.pack_rows(arch, width, std::iter::empty());
        let stride = packed.columns();
        let mut numbers = Aligned::zeros(height * stride);
        for first in (0..left.rows()).step_by(PART) {
            let rows = first..left.rows().min(first + PART);
            packed.pack_rows(arch, width, rows.clone().map(|row| right.row(row)));
            packed.add_product(arch, left.part(rows), &mut numbers, threads);
        }
        OuterSum { numbers, stride }
    }
}

/// The sum of all rows, in parts: the sum of very many rows errs less so.
pub fn sum_of_rows(columns: Columns<'_>) -> Vec<f32> {
    let mut total = vec![0.0; columns.width];
    let mut part = vec![0.0; columns.width];
    for first in (0..columns.rows()).step_by(PART) {
        part.fill(0.0);
        for row in first..columns.rows().min(first + PART) {
            part.iter_mut().zip(columns.row(row)).for_each(|(sum, number)| *sum += number);
        }
        total.iter_mut().zip(&part).for_each(|(total, part)| *total += part);
    }
    total
}
