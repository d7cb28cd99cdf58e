//! Weights in the order in which kernels read them, and numbers as they are stored.

use crate::kernel::{BLOCK, VECTOR};
use crate::plan::{Content, Part};
use crate::weights::TensorKind;
use crate::{Dtype, SlotWeights, Weights};
use half::f16;
use ndarray::{ArrayView1, ArrayView2};

/// The `len` numbers of a weight buffer; none for other contents.
pub(super) fn pack(weights: &Weights, content: Content, len: u64) -> Option<Vec<f32>> {
    let config = weights.config();
    let directions = config.directions.count();
    let mut packed = vec![0.0; len as usize];
    match content {
        Content::InputWeight { layer, first, count } => {
            // Above the first layer the input is the directions' outputs, each padded by itself.
            let source = if layer == 0 { config.input_size } else { config.layer(layer - 1).state_size };
            let layout = Columns::of(weights, layer);
            for direction in first..first + count {
                let at = (direction - first) * layout.hidden * layout.gates;
                let weight = weights.slot(layer * directions + direction).weight_ih();
                block(&mut packed, weight, VECTOR, source, |row| at + layout.column(row));
            }
        }
        Content::InputBias { layer, first, count } => {
            let layout = Columns::of(weights, layer);
            // With layer normalisation the biases come after it, and so with the other parameters.
            for direction in (first..first + count).filter(|_| !config.layer_norm) {
                let at = (direction - first) * layout.hidden * layout.gates;
                let bias = weights.slot(layer * directions + direction).bias_ih();
                spread(&mut packed, bias, |row| at + layout.column(row));
            }
        }
        Content::RecurrentWeight { slot, count, part } => {
            let layout = Columns::of(weights, slot / directions);
            for (slot, packed) in (slot..).zip(packed.chunks_mut(len as usize / count)) {
                let weights = weights.slot(slot);
                let (matrix, gates) = match part {
                    Part::Projection => (weights.matrix(TensorKind::WeightHr)?, 1),
                    _ => (layout.rows_of(weights.weight_hh(), part), layout.gates_of(part)),
                };
                let layout = Columns { hidden: matrix.nrows() / gates, gates };
                block(packed, matrix, gates, matrix.ncols(), |row| layout.column(row));
            }
        }
        Content::Parameters { slot, count, part } => {
            let layout = Columns::of(weights, slot / directions);
            for (slot, packed) in (slot..).zip(packed.chunks_mut(len as usize / count)) {
                let per_unit = packed.len() / (layout.hidden * layout.gates_of(part));
                parameters(packed, weights.slot(slot), part, layout, per_unit);
            }
        }
        Content::Upload | Content::Download | Content::Work => return None,
    }
    Some(packed)
}

/// Writes numbers as they are stored, to the beginning of `bytes`.
pub(super) fn store(numbers: &[f32], dtype: Dtype, bytes: &mut [u8]) {
    let bytes = &mut bytes[..numbers.len() * dtype.bytes() as usize];
    match dtype {
        Dtype::F32 => bytes.copy_from_slice(bytemuck::cast_slice(numbers)),
        Dtype::F16 => {
            for (to, &number) in bytes.chunks_exact_mut(2).zip(numbers) {
                to.copy_from_slice(&f16::from_f32(number).to_ne_bytes());
            }
        }
    }
}

/// Reads numbers that are stored so.
pub(super) fn load(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F16 => {
            bytes.chunks_exact(2).map(|two| f16::from_ne_bytes([two[0], two[1]]).to_f32()).collect()
        }
    }
}

/// The gates of a layer's matrices.
#[derive(Clone, Copy)]
struct Columns {
    hidden: usize,
    gates: usize,
}

impl Columns {
    fn of(weights: &Weights, layer: usize) -> Columns {
        let layer = weights.config().layer(layer);
        Columns { hidden: layer.hidden_size, gates: layer.cell.gates() }
    }

    /// From the row block order of the matrices, (gate, unit), to the gates of a unit side by side.
    fn column(self, row: usize) -> usize {
        row % self.hidden * self.gates + row / self.hidden
    }

    /// The first gate of a part, and how many there are.
    fn range_of(self, part: Part) -> (usize, usize) {
        match part {
            Part::Reset => (0, 2),
            Part::Candidate => (2, 1),
            Part::All | Part::Projection => (0, self.gates),
        }
    }

    fn gates_of(self, part: Part) -> usize {
        self.range_of(part).1
    }

    fn rows_of(self, matrix: ArrayView2<'_, f32>, part: Part) -> ArrayView2<'_, f32> {
        let (first, count) = self.range_of(part);
        matrix.slice_move(ndarray::s![first * self.hidden..(first + count) * self.hidden, ..])
    }
}

/// What each unit has of its own, `[H, per_unit, G]`: bias; peepholes; and, of a layer-normalised LSTM, gains and biases in the
/// order of `norm.wgsl`.
fn parameters(packed: &mut [f32], slot: &SlotWeights, part: Part, layout: Columns, per_unit: usize) {
    let (first, gates) = layout.range_of(part);
    let rows = first * layout.hidden..(first + gates) * layout.hidden;
    let at = |index: usize| {
        move |row: usize| (row % layout.hidden * per_unit + index) * gates + row / layout.hidden
    };
    let of_part = |bias: ArrayView1<'_, f32>| bias.slice(ndarray::s![rows.clone()]).to_owned();
    if let Some(bias) = slot.bias_hh() {
        spread(packed, Some(of_part(bias).view()), at(0));
    }
    spread(packed, slot.vector(TensorKind::Peephole), at(1));
    if slot.vector(TensorKind::NormIhWeight).is_none() {
        return;
    }
    if let Some(bias) = slot.bias_ih() {
        let place = at(0);
        bias.iter().enumerate().for_each(|(row, &number)| packed[place(row)] += number);
    }
    let kinds =
        [TensorKind::NormIhWeight, TensorKind::NormIhBias, TensorKind::NormHhWeight, TensorKind::NormHhBias];
    for (index, kind) in kinds.into_iter().enumerate() {
        spread(packed, slot.vector(kind), at(2 + index));
    }
    for (index, kind) in [TensorKind::NormCWeight, TensorKind::NormCBias].into_iter().enumerate() {
        // Beside each other in one vector.
        spread(packed, slot.vector(kind), |unit| at(6)(unit) + index);
    }
}

fn spread(packed: &mut [f32], vector: Option<ArrayView1<'_, f32>>, place: impl Fn(usize) -> usize) {
    vector.into_iter().flatten().enumerate().for_each(|(row, &number)| packed[place(row)] = number);
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
