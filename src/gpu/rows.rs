//! Rows of numbers between an array `[S, N, C]` and the bytes of a plan's buffer: one copy each way.

use super::numbers;
use crate::Result;
use crate::network::Dtype;
use ndarray::{ArrayView1, ArrayView3, ArrayViewMut3, Axis};
use wgpu::WriteOnly;

/// The ends of sequences, past which all numbers are zeros.
#[derive(Clone, Copy)]
pub(super) struct Ends<'a> {
    pub lengths: &'a [usize],
    /// The time step of the first rows.
    pub first_step: usize,
}

/// Numbers that are converted at a time, or gathered from where they do not lie side by side.
const AT_ONCE: usize = 64;

/// Writes an array as rows of whatever length the bytes have for each, with zeros behind.
///
/// # Errors
/// The errors of [`numbers::check`]; `name` is the array's.
pub(super) fn write(
    mut bytes: WriteOnly<'_, [u8]>,
    array: ArrayView3<'_, f32>,
    dtype: Dtype,
    ends: Option<Ends<'_>>,
    name: &str,
) -> Result<()> {
    let (a, b, columns) = array.dim();
    if let (Some(numbers), Dtype::F32, None) = (array.as_slice(), dtype, ends)
        && size_of_val(numbers) == bytes.len()
    {
        bytes.copy_from_slice(bytemuck::cast_slice(numbers));
        return Ok(());
    }
    if a * b * columns * dtype.bytes() as usize != bytes.len() {
        bytes.fill(0);
    }
    write_columns(&mut bytes, 0, array, dtype, ends, name)
}

/// Writes an array into the columns of such rows, from the column `first` on.
///
/// # Errors
/// The errors of [`write`].
pub(super) fn write_columns(
    bytes: &mut WriteOnly<'_, [u8]>,
    first: usize,
    array: ArrayView3<'_, f32>,
    dtype: Dtype,
    ends: Option<Ends<'_>>,
    name: &str,
) -> Result<()> {
    let size = dtype.bytes() as usize;
    let (row_bytes, columns) = (row_bytes(bytes.len(), array.dim(), size), array.dim().2);
    for (step, rows) in array.outer_iter().enumerate() {
        for (sequence, row) in rows.outer_iter().enumerate() {
            let at = (step * rows.dim().0 + sequence) * row_bytes + first * size;
            let mut to = bytes.slice(at..at + columns * size);
            match is_past(ends, step, sequence) {
                true => to.fill(0),
                false => write_row(to, row, dtype, name)?,
            }
        }
    }
    Ok(())
}

fn write_row(mut to: WriteOnly<'_, [u8]>, row: ArrayView1<'_, f32>, dtype: Dtype, name: &str) -> Result<()> {
    if let (Some(numbers), Dtype::F32) = (row.as_slice(), dtype) {
        to.copy_from_slice(bytemuck::cast_slice(numbers));
        return Ok(());
    }
    let size = dtype.bytes() as usize;
    for (index, some) in row.axis_chunks_iter(Axis(0), AT_ONCE).enumerate() {
        let (mut gathered, mut stored) = ([0.0; AT_ONCE], [0; 4 * AT_ONCE]);
        let (len, first) = (some.len(), index * AT_ONCE * size);
        gathered.iter_mut().zip(some).for_each(|(to, &number)| *to = number);
        numbers::store(&gathered[..len], dtype, &mut stored, name)?;
        to.slice(first..first + len * size).copy_from_slice(&stored[..len * size]);
    }
    Ok(())
}

/// Reads rows of whatever length the bytes have for each into an array.
pub(super) fn read(bytes: &[u8], dtype: Dtype, mut into: ArrayViewMut3<'_, f32>, ends: Option<Ends<'_>>) {
    let size = dtype.bytes() as usize;
    let (row_bytes, columns) = (row_bytes(bytes.len(), into.dim(), size), into.dim().2);
    for (step, mut rows) in into.outer_iter_mut().enumerate() {
        let batch = rows.dim().0;
        for (sequence, mut row) in rows.outer_iter_mut().enumerate() {
            let at = (step * batch + sequence) * row_bytes;
            let from = &bytes[at..at + columns * size];
            if is_past(ends, step, sequence) {
                row.fill(0.0);
            } else if let (Some(to), Dtype::F32) = (row.as_slice_mut(), dtype) {
                bytemuck::cast_slice_mut(to).copy_from_slice(from);
            } else {
                let numbers = from.chunks_exact(size).map(|bytes| numbers::number(bytes, dtype));
                row.iter_mut().zip(numbers).for_each(|(to, number)| *to = number);
            }
        }
    }
}

/// The bytes from one row to the next.
fn row_bytes(bytes: usize, (a, b, _): (usize, usize, usize), size: usize) -> usize {
    bytes / (a * b * size).max(1) * size
}

fn is_past(ends: Option<Ends<'_>>, step: usize, sequence: usize) -> bool {
    ends.is_some_and(|ends| ends.first_step + step >= ends.lengths[sequence])
}
