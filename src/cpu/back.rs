//! A direction's way back through time: the gradients of its pre-activations, and of its input, states and
//! weights.

use super::aligned::Aligned;
use super::cell::{Gradient, GradientRow, SCRATCH, Stage, Sums};
use super::outer::{OuterSum, sum_of_rows};
use super::packed_slot::{PackedSlot, Transposed};
use super::packed_weight::PackedWeight;
use super::rows::{Columns, Rows};
use super::saved::SavedSlot;
use crate::Cell;
use crate::weights::TensorKind;
use ndarray::{ArrayView2, ArrayView3, ArrayViewMut2, Axis};

/// A direction of a layer, all rows of the batch.
pub struct Back<'a> {
    pub slot: &'a PackedSlot,
    pub transposed: &'a Transposed,
    pub saved: &'a mut SavedSlot,
    pub steps: usize,
    pub lengths: Option<&'a [usize]>,
    /// The layer's input, `[T*N, I]`.
    pub below: ArrayView2<'a, f32>,
    /// The gradient by h of every step, `[T, N, P]`.
    pub output: Option<ArrayView3<'a, f32>>,
    /// By c of every step, `[T, N, H]`.
    pub cell_states: Option<ArrayView3<'a, f32>>,
    /// By the final h, and then by the initial one, `[N, P]`.
    pub h: ArrayViewMut2<'a, f32>,
    pub c: Option<ArrayViewMut2<'a, f32>>,
    pub threads: usize,
    /// The gradients that are wanted: by the input, and by the weights.
    pub wants: [bool; 2],
}

/// The gradients of one slot.
#[derive(Debug, Default)]
pub struct SlotGradients {
    /// By the layer's input, rows of `input_stride`.
    pub input: Aligned,
    pub input_stride: usize,
    /// By each matrix, its rows of gates in whole lines; in parts that follow each other.
    pub matrices: Vec<(TensorKind, Vec<OuterSum>)>,
    /// By each vector, its gates in whole lines.
    pub vectors: Vec<(TensorKind, Vec<f32>)>,
}

impl Back<'_> {
    pub fn run(mut self) -> SlotGradients {
        let slot = self.slot;
        let (batch, units, state) = (self.h.nrows(), slot.units(), slot.state());
        let rows = self.steps * batch;
        let mut sums = Sums::new(slot);
        let needs_m = slot.candidate.is_some() || slot.projection.is_some();
        // The operand of the candidate's product or of the projection, and the gradient by its result.
        let mut operands = Aligned::zeros(if needs_m { rows * units } else { 0 });
        let mut projected = Aligned::zeros(if slot.projection.is_some() { rows * state } else { 0 });
        let mut dh = lines(self.h.view(), state);
        let mut dc =
            self.c.as_ref().map_or_else(|| Aligned::zeros(batch * units), |c| lines(c.view(), units));
        let mut work = Work::new(slot, batch);
        let mut scratch = Aligned::zeros(batch * SCRATCH * units);
        // Sums over rows are taken in one order.
        let has_sums = slot.peepholes.is_some() || slot.norm.is_some();
        let mut gates = Aligned::zeros(batch * slot.gate_columns());
        let mut no_operand = Aligned::zeros(batch * units);
        for step in (0..self.steps).rev() {
            let t = if slot.spec.is_reverse { self.steps - 1 - step } else { step };
            let is_active = |row: usize| self.lengths.is_none_or(|lengths| t < lengths[row]);
            for row in (0..batch).filter(|&row| is_active(row)) {
                add_row(&mut dh[row * state..], self.output.as_ref(), t, row);
                add_row(&mut dc[row * units..], self.cell_states.as_ref(), t, row);
            }
            let range = |width: usize| t * batch * width..(t + 1) * batch * width;
            let m = if needs_m { &mut operands[range(units)] } else { &mut no_operand[..] };
            let a = &mut self.saved.a[range(slot.gate_columns())];
            let recurrent = &mut self.saved.recurrent[range(slot.apart_columns())];
            for row in (0..batch).filter(|&row| !is_active(row)) {
                a[row * slot.gate_columns()..][..slot.gate_columns()].fill(0.0);
            }
            let c = if slot.spec.cell.cell.has_cell_state() { range(units) } else { 0..0 };
            let (h, c) = (&self.saved.h[range(state)], &self.saved.c[c]);
            if let Some(projection) = &self.transposed.projection {
                let dr = &mut projected[range(state)];
                for row in (0..batch).filter(|&row| is_active(row)) {
                    dr[row * state..][..state].copy_from_slice(&dh[row * state..][..state]);
                }
                work.multiply(slot, projection, Rows::of_matrix(dr, state), self.threads);
                copy_rows(&work.product, projection.columns(), &mut work.dm, units);
            }
            let threads = if has_sums { 1 } else { self.threads };
            let mut update = |stage: Stage, dh: &mut [f32], dm: &[f32], m: &mut [f32], a: &mut [f32]| {
                let (dc, scratch) = (&mut dc[..], &mut scratch[..]);
                let rows =
                    GradientRows { slot, first: 0, count: batch, a, recurrent, h, c, dh, dc, m, dm, scratch };
                rows.run(stage, threads, &is_active, &mut sums);
            };
            match (&self.transposed.candidate, &self.transposed.projection) {
                (Some(candidate), _) => {
                    update(Stage::Candidate, &mut dh, &work.dm, m, a);
                    let rows = Rows::of_columns(a, slot.gate_columns(), 2 * units);
                    work.multiply(slot, candidate, rows, self.threads);
                    copy_rows(&work.product, candidate.columns(), &mut work.dm, units);
                    update(Stage::Reset, &mut dh, &work.dm, m, a);
                }
                (None, Some(_)) => update(Stage::Whole, &mut work.dm, &[], m, a),
                (None, None) => update(Stage::Whole, &mut dh, &[], m, a),
            }
            // The gradient by h_{t-1} that comes through the recurrent product.
            let weight = &self.transposed.recurrent;
            let rows = match slot.spec.cell.cell {
                Cell::Lstm if slot.norm.is_some() => Rows::of_matrix(recurrent, slot.gate_columns()),
                Cell::Gru if slot.candidate.is_none() => {
                    let both = a.chunks_exact(3 * units).zip(recurrent.chunks_exact(units));
                    for (both_gates, (a, q)) in gates.chunks_exact_mut(3 * units).zip(both) {
                        both_gates[..2 * units].copy_from_slice(&a[..2 * units]);
                        both_gates[2 * units..].copy_from_slice(q);
                    }
                    Rows::of_matrix(&gates, 3 * units)
                }
                _ => Rows::of_matrix(a, slot.gate_columns()),
            };
            work.multiply(slot, weight, rows, self.threads);
            let products = work.product.chunks_exact(weight.columns()).enumerate();
            for (row, product) in products.filter(|(row, _)| is_active(*row)) {
                let dh = &mut dh[row * state..][..state];
                if slot.projection.is_some() {
                    dh.fill(0.0);
                }
                dh.iter_mut().zip(product).for_each(|(dh, product)| *dh += product);
            }
        }
        store(&dh, state, self.h.view_mut());
        if let Some(c) = &mut self.c {
            store(&dc, units, c.view_mut());
        }
        self.gradients(&operands, &projected, sums)
    }

    /// The gradients that follow from those of all pre-activations.
    fn gradients(&self, operands: &[f32], projected: &[f32], sums: Sums) -> SlotGradients {
        let slot = self.slot;
        let (units, state, columns) = (slot.units(), slot.state(), slot.gate_columns());
        let mut gradients = SlotGradients::default();
        let weight = &self.transposed.input;
        gradients.input_stride = weight.columns();
        let [wants_input, wants_weights] = self.wants;
        if wants_input {
            gradients.input.resize(self.below.nrows() * weight.columns());
            let rows = Rows::of_matrix(&self.saved.a, columns);
            weight.product(slot.arch, rows, &mut gradients.input, self.threads);
        }
        if !wants_weights {
            return gradients;
        }

        let some = |data, stride, first, width| Columns { data, stride, first, width };
        let SavedSlot { a, recurrent, h, .. } = &*self.saved;
        let below = self.below.as_slice().expect("a layer's input in one piece");
        let below = Columns::all(below, slot.spec.input_size);
        let h = some(h, state, 0, slot.spec.state_size);
        let sum = |left, right, threads| OuterSum::of(slot.arch, left, right, threads);
        let of_input =
            |threads| (sum(Columns::all(a, columns), below, threads), sum_of_rows(Columns::all(a, columns)));
        // One sum, or one of the gates r and z and one of the candidate; and what `bias_hh` has of its own.
        let of_state = |threads| match slot.spec.cell.cell {
            Cell::Lstm if slot.norm.is_some() => {
                (vec![sum(Columns::all(recurrent, columns), h, threads)], None)
            }
            Cell::Gru if slot.candidate.is_some() => {
                let operands = some(operands, units, 0, slot.spec.hidden_size);
                let gates = sum(some(a, columns, 0, 2 * units), h, threads);
                (vec![gates, sum(some(a, columns, 2 * units, units), operands, threads)], None)
            }
            Cell::Gru => {
                let candidate = Columns::all(recurrent, units);
                let sums = vec![sum(some(a, columns, 0, 2 * units), h, threads), sum(candidate, h, threads)];
                (sums, Some(sum_of_rows(candidate)))
            }
            _ => (vec![sum(Columns::all(a, columns), h, threads)], None),
        };
        // Each on some of the threads: they have nothing to wait for.
        let half = self.threads / 2;
        let ((weight_ih, bias_ih), (weight_hh, candidate)) = match half {
            0 => (of_input(1), of_state(1)),
            half => rayon::join(|| of_input(half), || of_state(self.threads - half)),
        };
        let mut bias_hh = bias_ih.clone();
        if let Some(candidate) = candidate {
            bias_hh[2 * units..].copy_from_slice(&candidate);
        }
        gradients.matrices.push((TensorKind::WeightIh, vec![weight_ih]));
        gradients.matrices.push((TensorKind::WeightHh, weight_hh));
        if slot.projection.is_some() {
            let operands = some(operands, units, 0, slot.spec.hidden_size);
            let weight_hr = sum(some(projected, state, 0, slot.spec.state_size), operands, self.threads);
            gradients.matrices.push((TensorKind::WeightHr, vec![weight_hr]));
        }
        let mut add = |kind, numbers| gradients.vectors.push((kind, numbers));
        if slot.norm.is_some() {
            let Sums { norm_ih, norm_hh, norm_c, .. } = sums;
            if slot.spec.cell.has_bias {
                add(TensorKind::BiasIh, norm_ih[1].clone());
                add(TensorKind::BiasHh, norm_hh[1].clone());
            }
            let kinds = [
                (TensorKind::NormIhWeight, TensorKind::NormIhBias, norm_ih),
                (TensorKind::NormHhWeight, TensorKind::NormHhBias, norm_hh),
                (TensorKind::NormCWeight, TensorKind::NormCBias, norm_c),
            ];
            for (weight, bias, [gains, biases]) in kinds {
                add(weight, gains);
                add(bias, biases);
            }
        } else if slot.spec.cell.has_bias {
            add(TensorKind::BiasIh, bias_ih);
            add(TensorKind::BiasHh, bias_hh);
        }
        if slot.peepholes.is_some() {
            add(TensorKind::Peephole, sums.peepholes);
        }
        gradients
    }
}

/// The rows of a step.
struct GradientRows<'a> {
    slot: &'a PackedSlot,
    first: usize,
    count: usize,
    a: &'a mut [f32],
    recurrent: &'a mut [f32],
    h: &'a [f32],
    c: &'a [f32],
    dh: &'a mut [f32],
    dc: &'a mut [f32],
    m: &'a mut [f32],
    dm: &'a [f32],
    scratch: &'a mut [f32],
}

impl GradientRows<'_> {
    /// Runs the active ones, on so many threads.
    fn run(self, stage: Stage, threads: usize, is_active: &(impl Fn(usize) -> bool + Sync), sums: &mut Sums) {
        let slot = self.slot;
        let [gates, apart, units] = [slot.gate_columns(), slot.apart_columns(), slot.units()];
        let cell = if self.c.is_empty() { 0 } else { units };
        let gradient = if self.dm.is_empty() { 0 } else { units };
        // h is as wide as the state, dh as the output before its projection.
        let (state, dh) = (slot.state(), self.dh.len() / self.count);
        if threads > 1 && self.count > 1 {
            let half = self.count / 2;
            let (a, other_a) = self.a.split_at_mut(half * gates);
            let (recurrent, other_recurrent) = self.recurrent.split_at_mut(half * apart);
            let (h, other_h) = self.h.split_at(half * state);
            let (c, other_c) = self.c.split_at(half * cell);
            let (one_dh, other_dh) = self.dh.split_at_mut(half * dh);
            let (dc, other_dc) = self.dc.split_at_mut(half * units);
            let (m, other_m) = self.m.split_at_mut(half * units);
            let (dm, other_dm) = self.dm.split_at(half * gradient);
            let (scratch, other_scratch) = self.scratch.split_at_mut(half * SCRATCH * units);
            let one = GradientRows {
                slot,
                first: self.first,
                count: half,
                a,
                recurrent,
                h,
                c,
                dh: one_dh,
                dc,
                m,
                dm,
                scratch,
            };
            let other = GradientRows {
                slot,
                first: self.first + half,
                count: self.count - half,
                a: other_a,
                recurrent: other_recurrent,
                h: other_h,
                c: other_c,
                dh: other_dh,
                dc: other_dc,
                m: other_m,
                dm: other_dm,
                scratch: other_scratch,
            };
            // Threads share steps of cells that have no sums.
            rayon::join(
                || one.run(stage, threads / 2, is_active, sums),
                || other.run(stage, threads - threads / 2, is_active, &mut Sums::default()),
            );
            return;
        }
        for row in (0..self.count).filter(|row| is_active(self.first + row)) {
            let part = |width: usize| row * width..(row + 1) * width;
            let row = GradientRow {
                a: &mut self.a[part(gates)],
                recurrent: &mut self.recurrent[part(apart)],
                h: &self.h[part(state)],
                c: &self.c[part(cell)],
                dh: &mut self.dh[part(dh)],
                dc: &mut self.dc[part(units)],
                m: &mut self.m[part(units)],
                dm: &self.dm[part(gradient)],
                scratch: &mut self.scratch[part(SCRATCH * units)],
                sums: &mut *sums,
            };
            slot.arch.dispatch(Gradient { slot, row, stage });
        }
    }
}

/// The memory of a step.
struct Work {
    product: Aligned,
    dm: Aligned,
}

impl Work {
    fn new(slot: &PackedSlot, batch: usize) -> Work {
        let units = slot.units();
        Work { product: Aligned::default(), dm: Aligned::zeros(batch * units) }
    }

    fn multiply(&mut self, slot: &PackedSlot, weight: &PackedWeight, rows: Rows<'_>, threads: usize) {
        self.product.resize(rows.count() * weight.columns());
        weight.product(slot.arch, rows, &mut self.product, threads);
    }
}

/// Rows of an array in whole lines.
fn lines(rows: ArrayView2<'_, f32>, stride: usize) -> Aligned {
    let mut lines = Aligned::zeros(rows.nrows() * stride);
    for (line, row) in lines.chunks_exact_mut(stride).zip(rows.rows()) {
        line.iter_mut().zip(row).for_each(|(line, number)| *line = *number);
    }
    lines
}

/// Rows in whole lines into an array.
fn store(lines: &[f32], stride: usize, mut rows: ArrayViewMut2<'_, f32>) {
    for (mut row, line) in rows.rows_mut().into_iter().zip(lines.chunks_exact(stride)) {
        row.iter_mut().zip(line).for_each(|(number, line)| *number = *line);
    }
}

fn add_row(line: &mut [f32], array: Option<&ArrayView3<'_, f32>>, t: usize, row: usize) {
    let Some(array) = array else { return };
    let numbers = array.index_axis(Axis(0), t);
    line.iter_mut().zip(numbers.row(row)).for_each(|(line, number)| *line += number);
}

fn copy_rows(from: &[f32], stride: usize, to: &mut [f32], width: usize) {
    for (from, to) in from.chunks_exact(stride).zip(to.chunks_exact_mut(width)) {
        to.copy_from_slice(&from[..width]);
    }
}
