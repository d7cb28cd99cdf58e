//! The numbers that a forward pass keeps for its backward pass.

use super::aligned::{Aligned, padded};
use super::cell::{Stage, StepRow, Update};
use super::packed_slot::PackedSlot;
use super::rows::Rows;
use crate::{Cell, Save};
use ndarray::Array3;
use rayon::iter::Either;
use rayon::prelude::*;

/// Rows whose pre-activations are made again at once.
const CHUNK: usize = 256;

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
    /// True if `a` and `recurrent` are left to the backward pass.
    pub keeps_states_alone: bool,
}

impl SavedSlot {
    /// Numbers of a row in each array.
    fn widths(slot: &PackedSlot) -> [usize; 4] {
        let cell = if slot.spec.cell.cell.has_cell_state() { slot.units() } else { 0 };
        [slot.gate_columns(), slot.apart_columns(), slot.state(), cell]
    }

    /// Numbers of a row that are kept.
    pub fn width(slot: &PackedSlot, save: Save) -> usize {
        let [a, recurrent, h, c] = SavedSlot::widths(slot);
        h + c + if save == Save::Gates { a + recurrent } else { 0 }
    }

    /// Makes room for `rows` rows, one per time step and batch row. Where sequences end early, the rows past
    /// their ends are zero; else every row is written.
    pub fn begin(&mut self, slot: &PackedSlot, rows: usize, ends_early: bool, save: Save) {
        self.keeps_states_alone = save == Save::States;
        let widths = SavedSlot::widths(slot);
        let skipped = if self.keeps_states_alone { 2 } else { 0 };
        let arrays = [&mut self.a, &mut self.recurrent, &mut self.h, &mut self.c];
        for (index, (array, width)) in arrays.into_iter().zip(widths).enumerate() {
            array.resize(if index < skipped { 0 } else { rows * width });
            if ends_early {
                array.fill(0.0);
            }
        }
    }

    /// Makes the pre-activations again, of a call that has kept states alone: from the layer's input and the
    /// state before every step, by the products of the forward pass, which give the same bits over all steps
    /// at once.
    pub fn make_again(
        &mut self,
        slot: &PackedSlot,
        below: &[f32],
        is_active: &(impl Fn(usize) -> bool + Sync),
        threads: usize,
    ) {
        if !self.keeps_states_alone {
            return;
        }
        self.keeps_states_alone = false;
        let size = slot.spec.input_size;
        let rows = below.len() / size;
        let [a, recurrent, ..] = SavedSlot::widths(slot);
        for (array, width) in [(&mut self.a, a), (&mut self.recurrent, recurrent)] {
            array.resize(rows * width);
            array.fill(0.0);
        }
        let (mut input, mut gates, mut candidates) =
            (Aligned::default(), Aligned::default(), Aligned::default());
        let (h, c) = (std::mem::take(&mut self.h), std::mem::take(&mut self.c));
        let (state, units, columns) = (slot.state(), slot.units(), slot.input.columns());
        let mut m = Aligned::zeros(if slot.candidate.is_some() { CHUNK.min(rows) * units } else { 0 });
        for first in (0..rows).step_by(CHUNK) {
            let count = CHUNK.min(rows - first);
            input.resize(count * columns);
            let own = Rows::of_matrix(&below[first * size..(first + count) * size], size);
            slot.input.product(slot.arch, own, &mut input, threads);
            let hidden = Rows::of_matrix(&h[first * state..(first + count) * state], state);
            let width = slot.recurrent.columns();
            gates.resize(count * width);
            slot.recurrent.product(slot.arch, hidden, &mut gates, threads);
            for row in (0..count).filter(|row| is_active(first + row)) {
                let input = &input[row * columns..][..columns];
                if slot.norm.is_some() {
                    self.row(slot, first + row).keep_input(input);
                }
                let h = &h[(first + row) * state..][..state];
                self.row(slot, first + row).keep_gates(slot, input, &gates[row * width..][..width]);
                if slot.candidate.is_some() {
                    let mut h = h.to_vec();
                    let gates = &mut gates[row * width..][..width];
                    let m = &mut m[row * units..][..units];
                    let row = StepRow { input, gates, candidate: &mut [], h: &mut h, c: &mut [], m };
                    slot.arch.dispatch(Update { slot, row, stage: Stage::Reset });
                }
            }
            if let Some(candidate) = &slot.candidate {
                let width = candidate.columns();
                candidates.resize(count * width);
                let operand = Rows::of_matrix(&m[..count * units], units);
                candidate.product(slot.arch, operand, &mut candidates, threads);
                for row in (0..count).filter(|row| is_active(first + row)) {
                    let candidate = &candidates[row * width..][..width];
                    self.row(slot, first + row).keep_candidate(slot, candidate);
                }
            }
        }
        (self.h, self.c) = (h, c);
    }

    /// One row.
    pub fn row(&mut self, slot: &PackedSlot, row: usize) -> SavedRow<'_> {
        let [a, recurrent, h, c] = SavedSlot::widths(slot);
        SavedRow {
            a: row_of(&mut self.a, a, row),
            recurrent: row_of(&mut self.recurrent, recurrent, row),
            h: row_of(&mut self.h, h, row),
            c: row_of(&mut self.c, c, row),
        }
    }

    /// Some rows, for several threads.
    pub fn rows(
        &mut self,
        slot: &PackedSlot,
        first: usize,
        count: usize,
    ) -> impl IndexedParallelIterator<Item = SavedRow<'_>> {
        let [a, recurrent, h, c] = SavedSlot::widths(slot);
        let own = |array, width| rows_of(array, width, first, count);
        let gates = own(&mut self.a, a).zip(own(&mut self.recurrent, recurrent));
        let states = own(&mut self.h, h).zip(own(&mut self.c, c));
        gates.zip(states).map(|((a, recurrent), (h, c))| SavedRow { a, recurrent, h, c })
    }
}

/// A row of an array; none of an array that has no numbers.
fn row_of(array: &mut [f32], width: usize, row: usize) -> &mut [f32] {
    if array.is_empty() { &mut [] } else { &mut array[row * width..][..width] }
}

/// Rows of an array; empty ones of an array that has no numbers.
fn rows_of(
    array: &mut [f32],
    width: usize,
    first: usize,
    count: usize,
) -> impl IndexedParallelIterator<Item = &mut [f32]> {
    if array.is_empty() {
        return Either::Left((0..count).into_par_iter().map(|_| -> &mut [f32] { &mut [] }));
    }
    Either::Right(array[first * width..][..count * width].par_chunks_exact_mut(width))
}

/// A row of a [`SavedSlot`].
pub struct SavedRow<'a> {
    a: &'a mut [f32],
    recurrent: &'a mut [f32],
    h: &'a mut [f32],
    c: &'a mut [f32],
}

impl SavedRow<'_> {
    /// Keeps a row of a step, after the recurrent product and before the update. A row that has ended stays
    /// zero.
    pub fn keep(&mut self, slot: &PackedSlot, [input, gates, h, c]: [&[f32]; 4]) {
        self.keep_gates(slot, input, gates);
        self.h.copy_from_slice(h);
        self.c.copy_from_slice(&c[..self.c.len()]);
    }

    /// Keeps the sums of both products, unless they are left to the backward pass.
    fn keep_gates(&mut self, slot: &PackedSlot, input: &[f32], gates: &[f32]) {
        if self.a.is_empty() {
            return;
        }
        let (columns, apart, units) = (slot.gate_columns(), slot.apart_columns(), slot.units());
        // The gates whose two products are added.
        let sums = slot.recurrent_gates() * units - apart;
        if slot.norm.is_none() {
            for ((a, input), gates) in self.a.iter_mut().zip(input).zip(&gates[..sums]) {
                *a = input + gates;
            }
            self.a[sums..].copy_from_slice(&input[sums..columns]);
        }
        self.recurrent.copy_from_slice(&gates[sums..sums + apart]);
    }

    /// Keeps a row of the input's product, before it is normalised.
    pub fn keep_input(&mut self, product: &[f32]) {
        self.a.copy_from_slice(&product[..self.a.len()]);
    }

    /// Adds the candidate's product of a GRU with reset before.
    pub fn keep_candidate(&mut self, slot: &PackedSlot, candidate: &[f32]) {
        let first = self.a.len().min(2 * slot.units());
        for (a, candidate) in self.a[first..].iter_mut().zip(candidate) {
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
