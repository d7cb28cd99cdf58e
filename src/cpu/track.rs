//! Some units of a direction on their way through time, for some rows of the batch.

use super::aligned::{Aligned, padded};
use super::cell::{Normalise, Stage, StepRow, Update};
use super::packed_slot::PackedSlot;
use super::packed_weight::PackedWeight;
use super::rows::Rows;
use super::saved::SavedSlot;
use super::team::{self, Member};
use ndarray::{ArrayViewMut2, ArrayViewMut3, Axis};
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
    /// h and m of all shares of a direction that is shared out, `[N, ..]` each.
    all_h: Aligned,
    all_m: Aligned,
}

/// The time steps and batch rows of a track, and its input.
#[derive(Clone, Copy)]
pub struct Span<'a> {
    /// `[T, N, I]` of the whole batch.
    pub input: Rows<'a>,
    /// The first of its rows in the batch.
    pub first_row: usize,
    pub steps: usize,
    /// The lengths of the whole batch.
    pub lengths: Option<&'a [usize]>,
    /// The threads that share the work of each step.
    pub threads: usize,
}

impl Span<'_> {
    /// True for a row whose sequence has not ended at time step `t`.
    fn is_active(&self, t: usize) -> impl Fn(usize) -> bool + Sync + use<'_> {
        let Span { lengths, first_row, .. } = *self;
        move |row| lengths.is_none_or(|lengths| t < lengths[first_row + row])
    }
}

/// A direction, or a share of its units, over some rows of the batch. Rows do not depend on each other.
pub struct Track<'a> {
    pub slot: &'a PackedSlot,
    pub span: Span<'a>,
    /// `[T, N, P]` of its rows and units, as the next ones; zero where a row has ended.
    pub output: Option<ArrayViewMut3<'a, f32>>,
    /// `[T, N, H]`
    pub cell_states: Option<ArrayViewMut3<'a, f32>>,
    /// `[N, P]`: the initial hidden states, and then the final ones.
    pub h: ArrayViewMut2<'a, f32>,
    /// `[N, H]`
    pub c: Option<ArrayViewMut2<'a, f32>>,
    /// Numbers for the backward pass, of a direction with all of its rows and units.
    pub saved: Option<&'a mut SavedSlot>,
    pub scratch: &'a mut Scratch,
}

/// Time steps whose input is multiplied at once.
#[derive(Clone, Copy)]
struct Chunk {
    first: usize,
    count: usize,
}

/// Goes through all time steps with tracks of one direction that have [begun](Track::begin); with other
/// threads' tracks, as a member of their team.
pub fn walk(tracks: &mut [Track<'_>], mut member: Option<Member<'_>>) {
    let [first, ..] = tracks else { return };
    let (is_reverse, has_second) = (first.slot.spec.is_reverse, first.slot.second_product().is_some());
    for index in 0.. {
        let Some(chunk) = tracks[0].chunk(index) else { break };
        if index > 0 {
            tracks.iter_mut().for_each(|track| track.products(chunk));
        }
        for step in 0..chunk.count {
            let index = if is_reverse { chunk.count - 1 - step } else { step };
            let t = chunk.first + index;
            tracks.iter_mut().for_each(|track| track.recurrent(t, index));
            if has_second {
                exchange(tracks, &mut member, Scratch::m_of);
                tracks.iter_mut().for_each(|track| track.second(t, index));
            }
            exchange(tracks, &mut member, Scratch::h_of);
            tracks.iter_mut().for_each(|track| track.store(t));
        }
    }
    tracks.iter_mut().for_each(Track::finish);
}

/// Gives every track the operand of the next product, of which each has a part.
fn exchange(
    tracks: &mut [Track<'_>],
    member: &mut Option<Member<'_>>,
    operand: for<'a> fn(&'a mut Scratch, &PackedSlot) -> Operand<'a>,
) {
    let Some(member) = member else { return };
    let numbers = member.operand();
    for track in &mut *tracks {
        let Operand { own, stride, first, all, width } = operand(track.scratch, track.slot);
        let rows = all.len() / width;
        for row in 0..rows {
            team::write(numbers, row * width + first, &own[row * stride..][..stride]);
        }
    }
    member.wait();
    for track in tracks {
        team::read(numbers, 0, operand(track.scratch, track.slot).all);
    }
}

/// A track's part of an operand, rows of `stride` numbers, and the whole of it, in rows of `width`.
struct Operand<'a> {
    own: &'a [f32],
    stride: usize,
    /// The column of its first number.
    first: usize,
    all: &'a mut [f32],
    width: usize,
}

impl Track<'_> {
    /// Takes in the initial state, and multiplies the input of the first steps.
    pub fn begin(&mut self) {
        let batch = self.batch();
        self.scratch.begin(self.slot, batch);
        load(&self.h, &mut self.scratch.h);
        if let Some(c) = &self.c {
            load(c, &mut self.scratch.c);
        }
        self.scratch.input.resize(self.chunk_steps() * batch * self.slot.input.columns());
        if let Some(chunk) = self.chunk(0) {
            self.products(chunk);
        }
    }

    fn batch(&self) -> usize {
        self.h.nrows()
    }

    /// The length of its longest sequence.
    fn longest(&self) -> usize {
        let Span { lengths, first_row, steps, .. } = self.span;
        let own = lengths.map(|lengths| &lengths[first_row..][..self.batch()]);
        own.map_or(steps, |lengths| lengths.iter().copied().max().unwrap_or_default())
    }

    /// The number of time steps of a chunk.
    fn chunk_steps(&self) -> usize {
        CHUNK.div_ceil(self.batch()).min(self.longest())
    }

    /// The chunk in this place of the direction's order; none past the end.
    fn chunk(&self, index: usize) -> Option<Chunk> {
        let (longest, done) = (self.longest(), index * self.chunk_steps());
        let count = self.chunk_steps().min(longest.checked_sub(done)?);
        let first = if self.slot.spec.is_reverse { longest - done - count } else { done };
        (count > 0).then_some(Chunk { first, count })
    }

    /// The input's gates of a chunk.
    fn products(&mut self, chunk: Chunk) {
        let batch = self.batch();
        let rows = self.span.input.part(chunk.first, chunk.count, self.span.first_row, batch);
        let saved = self.saved.as_mut().map(|saved| (&mut **saved, chunk.first * batch));
        self.scratch.products(self.slot, rows, self.span.threads, saved);
    }

    /// The recurrent product of time step `t`, whose input is the chunk's step `index`, and the update of the
    /// rows whose sequences have not ended.
    fn recurrent(&mut self, t: usize, index: usize) {
        let batch = self.batch();
        let saved = self.saved.as_mut().map(|saved| (&mut **saved, t * batch));
        self.scratch.recurrent(self.slot, index, self.span.threads, &self.span.is_active(t), saved);
    }

    /// The product after the update: of a GRU's candidate with reset before, or of a projection.
    fn second(&mut self, t: usize, index: usize) {
        let batch = self.batch();
        let saved = self.saved.as_mut().map(|saved| (&mut **saved, t * batch));
        self.scratch.second(self.slot, index, self.span.threads, &self.span.is_active(t), saved);
    }

    /// Writes the results of time step `t` where the caller gets them.
    fn store(&mut self, t: usize) {
        let is_active = self.span.is_active(t);
        if let Some(output) = &mut self.output {
            store(&self.scratch.h, output.index_axis_mut(Axis(0), t), &is_active);
        }
        if let Some(cell_states) = &mut self.cell_states {
            store(&self.scratch.c, cell_states.index_axis_mut(Axis(0), t), &is_active);
        }
    }

    /// Writes the final state where the caller gets it.
    fn finish(&mut self) {
        store(&self.scratch.h, self.h.view_mut(), |_| true);
        if let Some(c) = &mut self.c {
            store(&self.scratch.c, c.view_mut(), |_| true);
        }
    }
}

impl Scratch {
    fn begin(&mut self, slot: &PackedSlot, batch: usize) {
        let columns = PackedWeight::columns;
        self.gates.resize(batch * slot.recurrent.columns());
        // A width of one where no product is, so that there are rows.
        self.candidate.resize(batch * slot.candidate.as_ref().map_or(1, columns));
        self.projected.resize(batch * slot.projection.as_ref().map_or(0, columns));
        self.h.resize(batch * slot.state());
        self.c.resize(batch * slot.units());
        self.m.resize(batch * slot.units());
        self.all_m.resize(batch * slot.second_product().map_or(0, |second| padded(second.depth())));
    }

    /// Takes in the initial hidden state of all units, `[N, P]`, of a direction that is shared out.
    pub fn share(&mut self, h: &ArrayViewMut2<'_, f32>) {
        self.all_h.resize(h.nrows() * padded(h.ncols()));
        load(h, &mut self.all_h);
    }

    fn h_of<'a>(&'a mut self, slot: &PackedSlot) -> Operand<'a> {
        Operand {
            own: &self.h,
            stride: slot.state(),
            first: slot.share.states.start,
            all: &mut self.all_h,
            width: padded(slot.recurrent.depth()),
        }
    }

    fn m_of<'a>(&'a mut self, slot: &PackedSlot) -> Operand<'a> {
        Operand {
            own: &self.m,
            stride: slot.units(),
            first: slot.share.units.start,
            all: &mut self.all_m,
            width: slot.second_product().map_or(1, |second| padded(second.depth())),
        }
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

    fn recurrent(
        &mut self,
        slot: &PackedSlot,
        index: usize,
        threads: usize,
        is_active: &(impl Fn(usize) -> bool + Sync),
        saved: Option<(&mut SavedSlot, usize)>,
    ) {
        let hidden = if slot.is_shared() { &self.all_h } else { &self.h };
        let hidden = Rows::of_matrix(hidden, padded(slot.recurrent.depth()));
        slot.recurrent.product_in_turn(slot.arch, hidden, &mut self.gates, threads, index);
        let stage = if slot.candidate.is_some() { Stage::Reset } else { Stage::Whole };
        self.update(slot, index, threads, stage, is_active, saved);
    }

    fn second(
        &mut self,
        slot: &PackedSlot,
        index: usize,
        threads: usize,
        is_active: &(impl Fn(usize) -> bool + Sync),
        mut saved: Option<(&mut SavedSlot, usize)>,
    ) {
        let operand = |product: &PackedWeight| padded(product.depth());
        let m = if slot.is_shared() { &self.all_m } else { &self.m };
        if let Some(candidate) = &slot.candidate {
            let reset = Rows::of_matrix(m, operand(candidate));
            candidate.product(slot.arch, reset, &mut self.candidate, threads);
            if let Some((saved, first)) = &mut saved {
                let rows = self.candidate.chunks_exact(candidate.columns()).enumerate();
                let active = rows.filter(|(row, _)| is_active(*row));
                active.for_each(|(row, candidate)| {
                    saved.row(slot, *first + row).keep_candidate(slot, candidate);
                });
            }
            self.update(slot, index, threads, Stage::Candidate, is_active, None);
        } else if let Some(projection) = &slot.projection {
            let whole = Rows::of_matrix(m, operand(projection));
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
        // A NaN that an earlier call has left in the padding would spread, even by weights of zero.
        line[width..].fill(0.0);
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
