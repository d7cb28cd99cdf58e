//! Weights in the order in which kernels read them, and numbers as they are stored.

use crate::kernel::{BLOCK, VECTOR};
use crate::network::{Dtype, Equation, Product, SlotSpec};
use crate::plan::{KernelWeight, WeightPart, sources};
use crate::weights::TensorKind;
use crate::{Error, Result, SlotWeights, Weights};
use half::f16;
use ndarray::{ArrayView1, ArrayView2};

/// A weight in the order in which kernels read it, of so many numbers.
pub(super) fn pack(weights: &Weights, weight: KernelWeight, len: u64) -> Vec<f32> {
    let network = weights.network();
    let mut packed = vec![0.0; len as usize];
    let directions = &network.layer(weight.layer)[weight.first..weight.first + weight.count];
    for (slot, packed) in directions.iter().zip(packed.chunks_mut(len as usize / weight.count)) {
        let own = weights.slot(slot.index);
        let columns = Columns { hidden: slot.hidden_size, gates: slot.cell.cell.gates() };
        match weight.part {
            // Above the first layer the input is the directions' outputs, each padded by itself.
            WeightPart::InputWeight => {
                let (_, source) = sources(network, slot.layer);
                block(packed, own.weight_ih(), VECTOR, source, |row| columns.column(row));
            }
            WeightPart::InputBias => spread(packed, own.bias_ih(), |row| columns.column(row)),
            WeightPart::Product(Product::Recurrent { first, gates }) => {
                let rows = first * slot.hidden_size..(first + gates) * slot.hidden_size;
                let matrix = own.weight_hh().slice_move(ndarray::s![rows, ..]);
                let columns = Columns { gates, ..columns };
                block(packed, matrix, gates, matrix.ncols(), |row| columns.column(row));
            }
            WeightPart::Product(Product::Projection) => {
                // A projection's weight is there where its product is.
                let matrix = own.matrix(TensorKind::WeightHr).expect("the network has a projection");
                block(packed, matrix, 1, matrix.ncols(), |row| row);
            }
            WeightPart::Parameters(equation) => parameters(packed, own, slot, equation),
        }
    }
    packed
}

/// Numbers as they are stored.
///
/// # Errors
/// [`Error::OutOfRange`] for a finite number that f16 cannot hold; `name` is the array's.
pub(super) fn store(numbers: &[f32], dtype: Dtype, bytes: &mut [u8], name: &str) -> Result<()> {
    let bytes = &mut bytes[..numbers.len() * dtype.bytes() as usize];
    match dtype {
        Dtype::F32 => bytes.copy_from_slice(bytemuck::cast_slice(numbers)),
        Dtype::F16 => {
            for (to, &number) in bytes.chunks_exact_mut(2).zip(numbers) {
                let half = f16::from_f32(number);
                if half.is_infinite() && number.is_finite() {
                    return Err(Error::OutOfRange { name: name.into(), found: number });
                }
                to.copy_from_slice(&half.to_ne_bytes());
            }
        }
    }
    Ok(())
}

/// Numbers that were stored so.
pub(super) fn load(bytes: &[u8], dtype: Dtype) -> Vec<f32> {
    match dtype {
        Dtype::F32 => bytemuck::pod_collect_to_vec(bytes),
        Dtype::F16 => {
            bytes.chunks_exact(2).map(|two| f16::from_ne_bytes([two[0], two[1]]).to_f32()).collect()
        }
    }
}

/// The order of a weight's rows: unit by unit, all gates of each.
#[derive(Clone, Copy)]
struct Columns {
    hidden: usize,
    gates: usize,
}

impl Columns {
    fn column(self, row: usize) -> usize {
        row % self.hidden * self.gates + row / self.hidden
    }
}

/// For each unit, the vectors of all gates of an equation: `bias_hh`, then the equation's further tensors.
fn parameters(packed: &mut [f32], own: SlotWeights<'_>, slot: &SlotSpec, equation: Equation) {
    let (hidden, vectors, gates) = (slot.hidden_size, equation.parameters(&slot.cell), equation.width());
    let first = match equation.product() {
        Some(Product::Recurrent { first, .. }) => first,
        Some(Product::Projection) | None => 0,
    };
    let at = |vector: usize| move |row: usize| (row % hidden * vectors + vector) * gates + row / hidden;
    let rows = first * hidden..(first + gates) * hidden;
    let bias = own.bias_hh().map(|bias| bias.slice_move(ndarray::s![rows]));
    spread(packed, bias, at(0));
    spread(packed, own.vector(TensorKind::Peephole), at(1));
    if !slot.cell.layer_norm {
        return;
    }
    // Both biases follow the normalisation, and are one vector.
    if let Some(bias) = own.bias_ih() {
        let place = at(0);
        bias.iter().enumerate().for_each(|(row, &number)| packed[place(row)] += number);
    }
    let kinds =
        [TensorKind::NormIhWeight, TensorKind::NormIhBias, TensorKind::NormHhWeight, TensorKind::NormHhBias];
    for (index, kind) in kinds.into_iter().enumerate() {
        spread(packed, own.vector(kind), at(2 + index));
    }
    for (index, kind) in [TensorKind::NormCWeight, TensorKind::NormCBias].into_iter().enumerate() {
        // Beside each other in one vector.
        spread(packed, own.vector(kind), |unit| at(6)(unit) + index);
    }
}

fn spread(packed: &mut [f32], vector: Option<ArrayView1<'_, f32>>, place: impl Fn(usize) -> usize) {
    vector.into_iter().flatten().enumerate().for_each(|(row, &number)| packed[place(row)] = number);
}

/// Spreads a matrix `[rows, K]` into `[columns / group / BLOCK, K / VECTOR, BLOCK, group, VECTOR]`. K
/// consists of sources of equal length, each padded to whole vectors.
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
