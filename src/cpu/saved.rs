//! The numbers that a forward pass keeps for its backward pass.

use super::aligned::{Aligned, padded};
use super::packed_slot::PackedSlot;
use crate::Cell;
use ndarray::Array3;

/// A layer of a call.
#[derive(Debug, Default)]
pub struct SavedLayer {
    /// The layer's input, `[T, N, I]`.
    pub below: Array3<f32>,
    /// One entry per direction.
    pub slots: Vec<SavedSlot>,
    /// The outputs of both directions side by side, `[T, N, D*P]`, where their merge multiplies them.
    pub directions_apart: Option<Array3<f32>>,
}

/// A direction of a layer: one row per time step and batch row, in whole lines.
#[derive(Debug, Default)]
pub struct SavedSlot {
    /// The pre-activations without peepholes, `[T*N, G, Hp]`: the input's product and the recurrent one
    /// together; the input's alone, of a layer-normalised LSTM before its normalisation, and of the candidate
    /// of a GRU with reset after. The backward pass writes their gradients in their place.
    pub a: Aligned,
    /// The recurrent product that is not in `a`: `[T*N, G, Hp]` of a layer-normalised LSTM, `[T*N, Hp]` of a
    /// GRU with reset after; also with its gradient in its place.
    pub recurrent: Aligned,
    /// h_{t-1}, `[T*N, Pp]`.
    pub h: Aligned,
    /// c_{t-1}, `[T*N, Hp]`.
    pub c: Aligned,
}

impl SavedSlot {
    /// Numbers of a row in each array.
    fn widths(slot: &PackedSlot) -> [usize; 4] {
        let cell = if slot.spec.cell.cell.has_cell_state() { slot.units() } else { 0 };
        [slot.gate_columns(), slot.apart_columns(), slot.state(), cell]
    }

    /// Numbers of a row in all arrays.
    pub fn width(slot: &PackedSlot) -> usize {
        SavedSlot::widths(slot).iter().sum()
    }

    /// Makes room for `rows` rows, one per time step and batch row. Where sequences end early, the rows past
    /// their ends are zero; else every row is written.
    pub fn begin(&mut self, slot: &PackedSlot, rows: usize, ends_early: bool) {
        let widths = SavedSlot::widths(slot);
        let arrays = [&mut self.a, &mut self.recurrent, &mut self.h, &mut self.c];
        for (array, width) in arrays.into_iter().zip(widths) {
            array.resize(rows * width);
            if ends_early {
                array.fill(0.0);
            }
        }
    }

    /// Keeps a row of a step, after the recurrent product and before the update. A row that has ended stays
    /// zero.
    pub fn keep(&mut self, slot: &PackedSlot, row: usize, [input, gates, h, c]: [&[f32]; 4]) {
        let (columns, apart, units) = (slot.gate_columns(), slot.apart_columns(), slot.units());
        // The gates whose two products are added.
        let sums = slot.recurrent_gates() * units - apart;
        if slot.norm.is_none() {
            let a = &mut self.a[row * columns..][..columns];
            for ((a, input), gates) in a.iter_mut().zip(input).zip(&gates[..sums]) {
                *a = input + gates;
            }
            a[sums..].copy_from_slice(&input[sums..columns]);
        }
        self.recurrent[row * apart..][..apart].copy_from_slice(&gates[sums..sums + apart]);
        self.h[row * h.len()..][..h.len()].copy_from_slice(h);
        if slot.spec.cell.cell.has_cell_state() {
            self.c[row * units..][..units].copy_from_slice(&c[..units]);
        }
    }

    /// Keeps a row of the input's product, before it is normalised.
    pub fn keep_input(&mut self, slot: &PackedSlot, row: usize, product: &[f32]) {
        let columns = slot.gate_columns();
        self.a[row * columns..][..columns].copy_from_slice(&product[..columns]);
    }

    /// Adds the candidate's product of a GRU with reset before.
    pub fn keep_candidate(&mut self, slot: &PackedSlot, row: usize, candidate: &[f32]) {
        let (columns, units) = (slot.gate_columns(), slot.units());
        let a = &mut self.a[row * columns..][2 * units..columns];
        for (a, candidate) in a.iter_mut().zip(candidate) {
            *a += candidate;
        }
    }
}

impl PackedSlot {
    /// G · Hp.
    pub fn gate_columns(&self) -> usize {
        self.spec.cell.cell.gates() * self.units()
    }

    /// Gates of the first recurrent product.
    pub fn recurrent_gates(&self) -> usize {
        self.spec.cell.cell.gates() - usize::from(self.candidate.is_some())
    }

    /// Numbers of a row of [`SavedSlot::recurrent`].
    pub fn apart_columns(&self) -> usize {
        match self.spec.cell.cell {
            Cell::Lstm if self.norm.is_some() => self.gate_columns(),
            Cell::Gru if self.candidate.is_none() => padded(self.spec.hidden_size),
            _ => 0,
        }
    }
}
