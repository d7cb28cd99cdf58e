//! A direction's way back through time: the gradients of its pre-activations, and of its input, states and
//! weights.

use super::aligned::Aligned;
use super::cell::{Gradient, GradientRow, SCRATCH, Stage, Sums};
use super::outer::{Columns, OuterProducts};
use super::packed_slot::{PackedSlot, Transposed};
use super::packed_weight::{PackedWeight, Rows};
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
}

/// The gradients of one slot.
#[derive(Debug, Default)]
pub struct SlotGradients {
    /// By the layer's input, rows of `input_stride`.
    pub input: Aligned,
    pub input_stride: usize,
    /// By each weight, `[rows, columns]` with the rows of gates in whole lines.
    pub weights: Vec<(TensorKind, Vec<f32>)>,
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
        let mut scratch = Aligned::zeros(SCRATCH * units);
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
            let mut update = |stage: Stage, dh: &mut [f32], dm: &[f32], m: &mut [f32], a: &mut [f32]| {
                for row in (0..batch).filter(|&row| is_active(row)) {
                    let part = |width: usize| row * width..(row + 1) * width;
                    let of_c = if c.is_empty() { 0..0 } else { part(units) };
                    let row = GradientRow {
                        a: &mut a[part(slot.gate_columns())],
                        recurrent: &mut recurrent[part(slot.apart_columns())],
                        h: &h[part(state)],
                        c: &c[of_c],
                        dh: &mut dh[part(units)],
                        dc: &mut dc[part(units)],
                        m: &mut m[part(units)],
                        dm: dm.get(part(units)).unwrap_or_default(),
                        scratch: &mut scratch,
                        sums: &mut sums,
                    };
                    slot.arch.dispatch(Gradient { slot, row, stage });
                }
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
        gradients.input.resize(self.below.nrows() * weight.columns());
        weight.product(
            slot.arch,
            Rows::of_matrix(&self.saved.a, columns),
            &mut gradients.input,
            self.threads,
        );

        let mut outer = OuterProducts::default();
        let mut sum = |left: Columns<'_>, right: Columns<'_>, target: &mut [f32]| {
            outer.add(slot.arch, left, right, target, self.threads);
        };
        let some = |data, stride, first, width| Columns { data, stride, first, width };
        let SavedSlot { a, recurrent, h, .. } = &*self.saved;
        let below = self.below.as_slice().expect("a layer's input in one piece");
        let below = Columns::all(below, slot.spec.input_size);
        let h = some(h, state, 0, slot.spec.state_size);

        let mut weight_ih = vec![0.0; columns * slot.spec.input_size];
        sum(Columns::all(a, columns), below, &mut weight_ih);
        let mut weight_hh = vec![0.0; columns * slot.spec.state_size];
        let mut bias_hh = Columns::all(a, columns).sum();
        let bias_ih = bias_hh.clone();
        let first_gates = 2 * units * slot.spec.state_size;
        match slot.spec.cell.cell {
            Cell::Lstm if slot.norm.is_some() => sum(Columns::all(recurrent, columns), h, &mut weight_hh),
            Cell::Gru => {
                sum(some(a, columns, 0, 2 * units), h, &mut weight_hh[..first_gates]);
                let target = &mut weight_hh[first_gates..];
                if slot.candidate.is_some() {
                    let operands = some(operands, units, 0, slot.spec.hidden_size);
                    sum(some(a, columns, 2 * units, units), operands, target);
                } else {
                    sum(Columns::all(recurrent, units), h, target);
                    bias_hh[2 * units..].copy_from_slice(&Columns::all(recurrent, units).sum());
                }
            }
            _ => sum(Columns::all(a, columns), h, &mut weight_hh),
        }
        let mut add = |kind, numbers| gradients.weights.push((kind, numbers));
        add(TensorKind::WeightIh, weight_ih);
        add(TensorKind::WeightHh, weight_hh);
        if slot.projection.is_some() {
            let mut weight_hr = vec![0.0; slot.spec.state_size * slot.spec.hidden_size];
            let operands = some(operands, units, 0, slot.spec.hidden_size);
            sum(some(projected, state, 0, slot.spec.state_size), operands, &mut weight_hr);
            add(TensorKind::WeightHr, weight_hr);
        }
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
