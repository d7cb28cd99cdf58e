//! A direction's way through time for some rows of the batch, on one thread.

use super::aligned::{Aligned, padded};
use super::cell::{Normalise, Stage, StepRow, Update};
use super::packed_slot::PackedSlot;
use super::rows::Rows;
use super::saved::SavedSlot;
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis, s};
use rayon::prelude::*;

/// Rows of the input that are multiplied in one go, so that their products are still in the cache when their
/// steps come.
const CHUNK: usize = 256;

/// The memory of a thread beside weights and arrays, kept from call to call.
#[derive(Debug, Default)]
pub struct Scratch {
    /// The input's gates of some steps, `[steps, N, columns]`.
    input: Aligned,
    /// `[N, columns]`
    gates: Aligned,
    candidate: Aligned,
    /// `[N, Pp]`
    h: Aligned,
    projected: Aligned,
    /// `[N, Hp]`
    c: Aligned,
    m: Aligned,
}

/// The directions of a layer over some rows of the batch. Rows do not depend on each other.
pub struct Sweep<'a> {
    /// One entry per direction.
    pub slots: &'a [PackedSlot],
    /// `[T, N, I]` of the whole batch.
    pub input: Rows<'a>,
    /// The first of its rows in the batch.
    pub first_row: usize,
    pub steps: usize,
    /// The lengths of the whole batch.
    pub lengths: Option<&'a [usize]>,
    /// `[T, N, D*P]` of its rows, as the next ones; zero where a row has ended.
    pub output: Option<ArrayViewMut3<'a, f32>>,
    /// `[T, N, D*H]`
    pub cell_states: Option<ArrayViewMut3<'a, f32>>,
    /// `[D, N, P]`: the initial hidden states, and then the final ones.
    pub h: ArrayViewMut3<'a, f32>,
    /// `[D, N, H]`
    pub c: Option<ArrayViewMut3<'a, f32>>,
    /// Numbers for the backward pass, one entry per direction; the rows of a direction are then not split.
    pub saved: Option<&'a mut [SavedSlot]>,
    /// One scratch per part that the sweep is split into.
    pub scratches: &'a mut [Scratch],
    /// The threads that share the work of each step of a part.
    pub threads: usize,
}

impl Sweep<'_> {
    /// Runs the sweep on as many threads as there are scratches, each with a direction or some of a
    /// direction's rows.
    pub fn run(mut self) {
        if self.scratches.len() > 1 {
            let (one, other) = self.split();
            rayon::join(|| one.run(), || other.run());
        } else {
            (0..self.slots.len()).for_each(|direction| self.direction(direction));
        }
    }

    /// A direction each; with one, some rows each.
    fn split(self) -> (Self, Self) {
        let (directions, batch) = (self.slots.len(), self.h.dim().1);
        let parts = self.scratches.len() / 2;
        let rows = if directions > 1 { 0 } else { batch * parts / self.scratches.len() };
        let (output, other_output) = halves(self.output, directions, rows);
        let (cell_states, other_cell_states) = halves(self.cell_states, directions, rows);
        let (axis, index) = if directions > 1 { (Axis(0), 1) } else { (Axis(1), rows) };
        let (h, other_h) = self.h.split_at(axis, index);
        let (c, other_c) = self.c.map(|c| c.split_at(axis, index)).unzip();
        let (scratches, other_scratches) = self.scratches.split_at_mut(parts);
        let (slots, other_slots) =
            if directions > 1 { self.slots.split_at(1) } else { (self.slots, self.slots) };
        let (saved, other_saved) = self.saved.map(|saved| saved.split_at_mut(1)).unzip();
        let Sweep { input, first_row, steps, lengths, threads, .. } = self;
        let one = Sweep {
            slots,
            input,
            first_row,
            steps,
            lengths,
            output,
            cell_states,
            h,
            c,
            saved,
            scratches,
            threads,
        };
        let other = Sweep {
            slots: other_slots,
            input,
            first_row: first_row + rows,
            steps,
            lengths,
            output: other_output,
            cell_states: other_cell_states,
            h: other_h,
            c: other_c,
            saved: other_saved,
            scratches: other_scratches,
            threads,
        };
        (one, other)
    }

    fn direction(&mut self, direction: usize) {
        let (slot, batch) = (&self.slots[direction], self.h.dim().1);
        let mut h = self.h.index_axis_mut(Axis(0), direction);
        let mut c = self.c.as_mut().map(|c| c.index_axis_mut(Axis(0), direction));
        let own = |size: usize| s![.., .., direction * size..(direction + 1) * size];
        let mut output = self.output.as_mut().map(|output| output.slice_mut(own(slot.spec.state_size)));
        let mut cell_states = self.cell_states.as_mut().map(|c| c.slice_mut(own(slot.spec.hidden_size)));
        let lengths = self.lengths.map(|lengths| &lengths[self.first_row..][..batch]);
        let longest = lengths.map_or(self.steps, |lengths| lengths.iter().copied().max().unwrap_or_default());
        let columns = slot.input.columns();
        let mut saved = self.saved.as_mut().map(|saved| &mut saved[direction]);
        let scratch = &mut self.scratches[0];
        scratch.begin(slot, batch);
        load(&h, &mut scratch.h);
        if let Some(c) = &c {
            load(c, &mut scratch.c);
        }
        let chunk = CHUNK.div_ceil(batch);
        scratch.input.resize(chunk.min(longest) * batch * columns);
        let mut done = 0;
        while done < longest {
            let count = chunk.min(longest - done);
            let first = if slot.spec.is_reverse { longest - done - count } else { done };
            let rows = self.input.part(first, count, self.first_row, batch);
            let kept = saved.as_mut().map(|saved| (&mut **saved, first * batch));
            scratch.products(slot, rows, self.threads, kept);
            for step in 0..count {
                let index = if slot.spec.is_reverse { count - 1 - step } else { step };
                let t = first + index;
                let is_active = |row: usize| lengths.is_none_or(|lengths| t < lengths[row]);
                let saved = saved.as_mut().map(|saved| (&mut **saved, t * batch));
                scratch.step(slot, index, self.threads, &is_active, saved);
                if let Some(output) = &mut output {
                    store(&scratch.h, output.index_axis_mut(Axis(0), t), is_active);
                }
                if let Some(cell_states) = &mut cell_states {
                    store(&scratch.c, cell_states.index_axis_mut(Axis(0), t), is_active);
                }
            }
            done += count;
        }
        store(&scratch.h, h.view_mut(), |_| true);
        if let Some(c) = &mut c {
            store(&scratch.c, c.view_mut(), |_| true);
        }
    }
}

impl Scratch {
    fn begin(&mut self, slot: &PackedSlot, batch: usize) {
        let columns = |matrix: &super::packed_weight::PackedWeight| matrix.columns();
        self.gates.resize(batch * slot.recurrent.columns());
        // Never without a length, so that it has rows.
        self.candidate.resize(batch * slot.candidate.as_ref().map_or(1, columns));
        self.projected.resize(batch * slot.projection.as_ref().map_or(0, columns));
        self.h.resize(batch * slot.state());
        self.c.resize(batch * slot.units());
        self.m.resize(batch * slot.units());
    }

    /// The input's gates of some steps.
    fn products(
        &mut self,
        slot: &PackedSlot,
        rows: Rows<'_>,
        threads: usize,
        saved: Option<(&mut SavedSlot, usize)>,
    ) {
        let columns = slot.input.columns();
        let products = &mut self.input[..rows.count() * columns];
        slot.input.product(slot.arch, rows, products, threads);
        if let Some(norm) = &slot.norm {
            if let Some((saved, first)) = saved {
                let products = products.chunks_exact(columns).enumerate();
                products.for_each(|(row, product)| saved.row(slot, first + row).keep_input(product));
            }
            let units = slot.spec.hidden_size;
            slot.arch.dispatch(Normalise { norm, units, rows: products, columns });
        }
    }

    /// A step of all rows; those that have ended keep their state.
    fn step(
        &mut self,
        slot: &PackedSlot,
        index: usize,
        threads: usize,
        is_active: &(impl Fn(usize) -> bool + Sync),
        mut saved: Option<(&mut SavedSlot, usize)>,
    ) {
        let hidden = Rows::of_matrix(&self.h, slot.state());
        slot.recurrent.product(slot.arch, hidden, &mut self.gates, threads);
        let stage = if slot.candidate.is_some() { Stage::Reset } else { Stage::Whole };
        let kept = saved.as_mut().map(|(saved, first)| (&mut **saved, *first));
        self.update(slot, index, threads, stage, is_active, kept);
        if let Some(candidate) = &slot.candidate {
            let reset = Rows::of_matrix(&self.m, slot.units());
            candidate.product(slot.arch, reset, &mut self.candidate, threads);
            if let Some((saved, first)) = &mut saved {
                let rows = self.candidate.chunks_exact(candidate.columns()).enumerate();
                let active = rows.filter(|(row, _)| is_active(*row));
                active.for_each(|(row, candidate)| {
                    saved.row(slot, *first + row).keep_candidate(slot, candidate);
                });
            }
            self.update(slot, index, threads, Stage::Candidate, is_active, None);
        }
        if let Some(projection) = &slot.projection {
            let whole = Rows::of_matrix(&self.m, slot.units());
            projection.product(slot.arch, whole, &mut self.projected, threads);
            let projected = self.projected.chunks_exact(projection.columns());
            for (row, (h, projected)) in self.h.chunks_exact_mut(slot.state()).zip(projected).enumerate() {
                if is_active(row) {
                    h.copy_from_slice(&projected[..h.len()]);
                }
            }
        }
    }

    /// Updates the rows of a step, each of which is kept before, if the call is saved.
    fn update(
        &mut self,
        slot: &PackedSlot,
        index: usize,
        threads: usize,
        stage: Stage,
        is_active: &(impl Fn(usize) -> bool + Sync),
        saved: Option<(&mut SavedSlot, usize)>,
    ) {
        let (columns, units) = (slot.input.columns(), slot.units());
        let batch = self.c.len() / units;
        let input = &self.input[index * batch * columns..][..batch * columns];
        let update = |row: StepRow<'_>| slot.arch.dispatch(Update { slot, row, stage });
        let input = input.par_chunks_exact(columns).enumerate();
        let gates = self.gates.par_chunks_exact_mut(slot.recurrent.columns());
        let width = self.candidate.len() / batch;
        let candidate = self.candidate.par_chunks_exact_mut(width);
        let states = self.h.par_chunks_exact_mut(slot.state());
        let cells = self.c.par_chunks_exact_mut(units).zip(self.m.par_chunks_exact_mut(units));
        let rows = input.zip(gates.zip(candidate).zip(states.zip(cells)));
        let rows = rows.map(|((index, input), ((gates, candidate), (h, (c, m))))| {
            (index, StepRow { input, gates, candidate, h, c, m })
        });
        let least = batch.div_ceil(threads);
        match saved {
            None => rows.with_min_len(least).for_each(|(index, row)| {
                if is_active(index) {
                    update(row);
                }
            }),
            Some((saved, first)) => {
                let rows = rows.zip(saved.rows(slot, first, batch));
                rows.with_min_len(least).for_each(|((index, row), mut kept)| {
                    if is_active(index) {
                        kept.keep(slot, [row.input, row.gates, row.h, row.c]);
                        update(row);
                    }
                });
            }
        }
    }
}

/// Rows into rows of whole lines.
fn load(rows: &ArrayViewMut2<'_, f32>, lines: &mut [f32]) {
    let width = rows.ncols();
    for (row, line) in rows.outer_iter().zip(lines.chunks_exact_mut(padded(width))) {
        for (number, &loaded) in line.iter_mut().zip(row) {
            *number = loaded;
        }
    }
}

/// Rows of whole lines into those of an array that are active.
fn store(lines: &[f32], mut rows: ArrayViewMut2<'_, f32>, is_active: impl Fn(usize) -> bool) {
    let width = rows.ncols();
    for (index, (mut row, line)) in rows.outer_iter_mut().zip(lines.chunks_exact(padded(width))).enumerate() {
        if is_active(index) {
            // Rows of results lie in one piece.
            row.as_slice_mut().expect("a row in one piece").copy_from_slice(&line[..width]);
        }
    }
}

type Halves<'a> = (Option<ArrayViewMut3<'a, f32>>, Option<ArrayViewMut3<'a, f32>>);

/// `[T, N, C]` of each of two directions, or of the first rows and the others.
fn halves(array: Option<ArrayViewMut3<'_, f32>>, directions: usize, rows: usize) -> Halves<'_> {
    let (axis, index) = match &array {
        Some(array) if directions > 1 => (Axis(2), array.dim().2 / 2),
        _ => (Axis(1), rows),
    };
    array.map(|array| array.split_at(axis, index)).unzip()
}
