//! Weights in the order in which kernels read them: transposed, the gates of a unit side by side.

use crate::{Weights, plan::Content};
use ndarray::{ArrayView1, ArrayView2, Axis};

/// The `len` numbers of a weight buffer; none for other contents.
pub(super) fn pack(weights: &Weights, content: Content, len: u64) -> Option<Vec<f32>> {
    let directions = weights.config().directions.count();
    let layer = |layer: usize| &weights.slots()[layer * directions..][..directions];
    let matrices: Vec<ArrayView2<'_, f32>> = match content {
        Content::InputWeight(index) => layer(index).iter().map(|slot| slot.weight_ih.view()).collect(),
        Content::InputBias(index) => layer(index).iter().map(|slot| column(slot.bias_ih.view())).collect(),
        Content::RecurrentWeight(slot) => vec![weights.slot(slot).weight_hh.view()],
        Content::RecurrentBias(slot) => vec![column(weights.slot(slot).bias_hh.view())],
        Content::Upload | Content::Download | Content::Work => return None,
    };
    Some(transposed(&matrices, weights.config().hidden_size, len as usize))
}

fn column(bias: ArrayView1<'_, f32>) -> ArrayView2<'_, f32> {
    bias.insert_axis(Axis(1))
}

/// Matrices `[G*H, K]` to `[K, matrices, H, G]`, each row padded with zeros so that all fill `len`.
fn transposed(matrices: &[ArrayView2<'_, f32>], hidden: usize, len: usize) -> Vec<f32> {
    let mut packed = vec![0.0; len];
    for (index, matrix) in matrices.iter().enumerate() {
        let (gates, row_len) = (matrix.nrows() / hidden, len / matrix.ncols());
        for ((row, k), &weight) in matrix.indexed_iter() {
            let (gate, unit) = (row / hidden, row % hidden);
            packed[k * row_len + (index * hidden + unit) * gates + gate] = weight;
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn gates_stand_side_by_side_and_rows_are_padded() {
        // G 2, H 2, K 2: rows are (gate, unit).
        let forward = array![[1., 2.], [3., 4.], [5., 6.], [7., 8.]];
        let backward = &forward * 10.;
        let packed = transposed(&[forward.view(), backward.view()], 2, 20);
        let rows = [[1., 5., 3., 7., 10., 50., 30., 70., 0., 0.], [2., 6., 4., 8., 20., 60., 40., 80., 0., 0.]];
        assert_eq!(packed, rows.concat());
    }
}
