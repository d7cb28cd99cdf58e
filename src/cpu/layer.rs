//! One layer of a call: its directions, on one or several threads, and their merge.

use super::aligned::Aligned;
use super::packed_slot::PackedSlot;
use super::rows::Rows;
use super::saved::{SavedLayer, SavedSlot};
use super::sweep::{Scratch, Sweep};
use super::{shaped, view};
use crate::Save;
use crate::network::{Merge, SlotSpec};
use ndarray::{ArrayView3, ArrayViewMut3, Axis, Zip, s};

/// Products and sums of a layer below which other threads are not woken.
const WORTH_A_THREAD: f64 = 1e6;

/// Products and sums of a step below which threads do not share it.
const WORTH_A_SHARE: f64 = 4e6;

/// Bytes of weights that stay in a core's cache beside all else.
const CACHED: usize = 1 << 20;

/// Rows below which a batch is not split: weights are read once for all rows of a part.
const LEAST_ROWS: usize = 2;

/// A layer of one call.
pub struct Layer<'a> {
    /// One entry per direction.
    pub slots: &'a [PackedSlot],
    pub lengths: Option<&'a [usize]>,
    pub merge: Merge,
    pub adds_input: bool,
    /// `[T, N, I]`
    pub below: ArrayView3<'a, f32>,
    /// `[T, N, C]`
    pub gives: Option<ArrayViewMut3<'a, f32>>,
    /// `[T, N, D*H]`
    pub cell_states: Option<ArrayViewMut3<'a, f32>>,
    /// `[D, N, P]`
    pub h: ArrayViewMut3<'a, f32>,
    /// `[D, N, H]`
    pub c: Option<ArrayViewMut3<'a, f32>>,
    /// Numbers for the backward pass, if there will be one.
    pub saved: Option<&'a mut SavedLayer>,
    /// What is kept, if anything is.
    pub save: Save,
}

impl Layer<'_> {
    pub fn run(mut self, directions_apart: &mut Aligned, scratches: &mut Vec<Scratch>) {
        let (steps, batch, _) = self.below.dim();
        let size = self.slots[0].spec.state_size;
        let changes = self.merge.is_elementwise() || self.adds_input;
        let mut gives = self.gives;
        // Directions write side by side into the layer's output, or into the array that the output is then
        // made of.
        let mut output = match &mut gives {
            Some(_) if changes => Some(shaped(directions_apart, (steps, batch, self.slots.len() * size))),
            Some(gives) => Some(gives.view_mut()),
            None => None,
        };
        if let (Some(output), Some(_)) = (&mut output, self.lengths) {
            // Past the ends, where nothing is written.
            output.fill(0.0);
        }
        let (parts, threads) = parts(self.slots, steps, batch, self.saved.is_none());
        if let Some(saved) = &mut self.saved {
            if saved.below.dim() == self.below.dim() {
                saved.below.assign(&self.below);
            } else {
                saved.below = self.below.as_standard_layout().into_owned();
            }
            for (row, &length) in self.lengths.unwrap_or_default().iter().enumerate() {
                saved.below.slice_mut(s![length.., row, ..]).fill(0.0);
            }
            saved.slots.resize_with(self.slots.len(), SavedSlot::default);
            for (saved, slot) in saved.slots.iter_mut().zip(self.slots) {
                saved.begin(slot, steps * batch, self.lengths.is_some(), self.save);
            }
        }
        if scratches.len() < parts {
            scratches.resize_with(parts, Scratch::default);
        }
        let pass = Sweep {
            slots: self.slots,
            // Inputs that are not so have been copied.
            input: Rows::of_sequence(self.below).expect("a sequence in one piece"),
            first_row: 0,
            steps,
            lengths: self.lengths,
            output,
            cell_states: self.cell_states,
            h: self.h,
            c: self.c,
            saved: self.saved.as_mut().map(|saved| &mut saved.slots[..]),
            scratches: &mut scratches[..parts],
            threads,
        };
        if parts * threads > 1 {
            // On one of the pool's threads from the beginning, which the others then help.
            rayon::scope(|_| pass.run());
        } else {
            pass.run();
        }
        if let Some(mut gives) = gives.filter(|_| changes) {
            let directions_apart = view(directions_apart, (steps, batch, self.slots.len() * size));
            if let Some(saved) = self.saved.filter(|_| self.merge == Merge::Multiply) {
                saved.directions_apart = Some(directions_apart.to_owned());
            }
            merge(self.merge, directions_apart.axis_chunks_iter(Axis(2), size), gives.view_mut());
            if self.adds_input {
                gives += &self.below;
            }
        }
    }
}

/// The number of parts that a layer is split into, of a direction and some rows each, and the number of
/// threads for each step of a part. Rows that may not be split are one part.
pub fn parts(slots: &[PackedSlot], steps: usize, batch: usize, splits_rows: bool) -> (usize, usize) {
    let SlotSpec { input_size, state_size, .. } = slots[0].spec;
    let of_step = state_size as f64 * slots[0].spec.gate_rows() as f64 * batch as f64;
    let of_input = of_step / state_size as f64 * input_size as f64;
    if (of_step + of_input) * steps as f64 * (slots.len() as f64) < WORTH_A_THREAD {
        return (1, 1);
    }
    let threads = rayon::current_num_threads();
    let (directions, each) = (threads.min(slots.len()), (threads / slots.len()).max(1));
    // Every part reads all weights at every step. Weights that do not stay in a core's cache are better
    // shared out among threads.
    if !splits_rows || (slots[0].recurrent.bytes() > CACHED && of_step > WORTH_A_SHARE) {
        return (directions, each);
    }
    (directions * each.min((batch / LEAST_ROWS).max(1)), 1)
}

/// One array of one direction or two, `[T, N, P]` each.
fn merge<'a>(
    how: Merge,
    mut directions: impl Iterator<Item = ArrayView3<'a, f32>>,
    mut target: ArrayViewMut3<'_, f32>,
) {
    let (Some(forward), reverse) = (directions.next(), directions.next()) else { return };
    let size = forward.dim().2;
    match (reverse, how) {
        (None, _) => target.assign(&forward),
        (Some(reverse), Merge::Concatenate | Merge::Apart) => {
            target.slice_mut(s![.., .., ..size]).assign(&forward);
            target.slice_mut(s![.., .., size..]).assign(&reverse);
        }
        (Some(reverse), _) => Zip::from(target).and(forward).and(reverse).for_each(|target, &a, &b| {
            *target = how.apply(a, b);
        }),
    }
}
