//! Weights in the order in which kernels read them.

use crate::shader::{BLOCK, VECTOR};
use crate::{Weights, plan::Content};
use ndarray::ArrayView2;

/// The `len` numbers of a weight buffer; none for other contents.
pub(super) fn pack(weights: &Weights, content: Content, len: u64) -> Option<Vec<f32>> {
    let config = weights.config();
    let (hidden, gates) = (config.hidden_size, config.cell.gates());
    let layer = |layer: usize| {
        let directions = config.directions.count();
        &weights.slots()[layer * directions..][..directions]
    };
    let mut packed = vec![0.0; len as usize];
    // From the row block order of the matrices, (gate, unit), to the gates of a unit side by side.
    let column = |row: usize| row % hidden * gates + row / hidden;
    match content {
        Content::InputWeight(index) => {
            // Above the first layer the input is the directions' outputs, each padded by itself.
            let source = if index == 0 { config.input_size } else { hidden };
            for (direction, slot) in layer(index).iter().enumerate() {
                let first = direction * hidden * gates;
                block(&mut packed, slot.weight_ih.view(), VECTOR, source, |row| first + column(row));
            }
        }
        Content::InputBias(index) => {
            for (direction, slot) in layer(index).iter().enumerate() {
                let first = direction * hidden * gates;
                slot.bias_ih.iter().enumerate().for_each(|(row, &b)| packed[first + column(row)] = b);
            }
        }
        Content::RecurrentWeight(slot) => {
            block(&mut packed, weights.slot(slot).weight_hh.view(), gates, hidden, column);
        }
        Content::RecurrentBias(slot) => {
            let bias = weights.slot(slot).bias_hh.iter().enumerate();
            bias.for_each(|(row, &b)| packed[column(row)] = b);
        }
        Content::Upload | Content::Download | Content::Work => return None,
    }
    Some(packed)
}

/// Spreads a matrix `[rows, K]` into `[columns / group / BLOCK, K / VECTOR, BLOCK, group, VECTOR]`. K consists of sources of
/// equal length, each padded to whole vectors.
fn block(
    packed: &mut [f32],
    matrix: ArrayView2<'_, f32>,
    group: usize,
    source: usize,
    column: impl Fn(usize) -> usize,
) {
    let padded = source.next_multiple_of(VECTOR);
    let depth = matrix.ncols() / source * padded / VECTOR;
    for ((row, k), &weight) in matrix.indexed_iter() {
        let (unit, gate) = (column(row) / group, column(row) % group);
        let k = k / source * padded + k % source;
        let vector = (unit / BLOCK * depth + k / VECTOR) * BLOCK + unit % BLOCK;
        packed[(vector * group + gate) * VECTOR + k % VECTOR] = weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;

    #[test]
    fn units_stand_in_blocks_and_each_source_is_padded() {
        // Nine units of one gate, K of two sources of three; weight (row, k) is 10 row + k + 1.
        let matrix = Array2::from_shape_fn((9, 6), |(row, k)| (10 * row + k + 1) as f32);
        let mut packed = vec![0.0; 2 * 2 * BLOCK * VECTOR];
        block(&mut packed, matrix.view(), 1, 3, |row| row);
        assert_eq!(packed[..8], [1., 2., 3., 0., 11., 12., 13., 0.]);
        assert_eq!(packed[32..40], [4., 5., 6., 0., 14., 15., 16., 0.]);
        // The second block: unit 8, and seven that are not there.
        assert_eq!(packed[64..72], [81., 82., 83., 0., 0., 0., 0., 0.]);
        assert_eq!(packed[96..104], [84., 85., 86., 0., 0., 0., 0., 0.]);
    }
}
