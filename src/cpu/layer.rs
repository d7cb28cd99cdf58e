//! One layer of a call: its directions, on one or several threads, and their merge.

use super::aligned::Aligned;
use super::packed_slot::PackedSlot;
use super::parts::Parts;
use super::rows::Rows;
use super::saved::{SavedLayer, SavedSlot};
use super::sweep::Sweep;
use super::track::{Scratch, Span};
use super::{shaped, view};
use crate::Save;
use crate::network::Merge;
use ndarray::{ArrayView3, ArrayViewMut3, Axis, Zip, s};

/// A layer of one call.
pub struct Layer<'a> {
    /// One entry per direction and share.
    pub slots: &'a [PackedSlot],
    pub parts: Parts,
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
    /// The numbers that are kept, if some are.
    pub save: Save,
}

impl Layer<'_> {
    pub fn run(mut self, directions_apart: &mut Aligned, scratches: &mut Vec<Scratch>) {
        let (steps, batch, _) = self.below.dim();
        let Parts { count, shares, threads } = self.parts;
        let is_saved = self.saved.is_some();
        let directions = self.slots.len() / shares;
        let size = self.h.dim().2;
        let changes = self.merge.is_elementwise() || self.adds_input;
        let mut gives = self.gives;
        // Directions write side by side into the layer's output, or into the array that the output is then
        // made of.
        let mut output = match &mut gives {
            Some(_) if changes => Some(shaped(directions_apart, (steps, batch, directions * size))),
            Some(gives) => Some(gives.view_mut()),
            None => None,
        };
        if let (Some(output), Some(_)) = (&mut output, self.lengths) {
            // Past the ends, where nothing is written.
            output.fill(0.0);
        }
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
        if scratches.len() < count * shares {
            scratches.resize_with(count * shares, Scratch::default);
        }
        let pass = Sweep {
            slots: self.slots,
            shares,
            span: Span {
                // An input in several pieces has been copied.
                input: Rows::of_sequence(self.below).expect("a sequence in one piece"),
                first_row: 0,
                steps,
                lengths: self.lengths,
                threads,
            },
            output,
            cell_states: self.cell_states,
            h: self.h,
            c: self.c,
            saved: self.saved.as_mut().map(|saved| &mut saved.slots[..]),
            scratches: &mut scratches[..count * shares],
        };
        // On one of the pool's threads, which the others help at every step. A saved call runs on the threads
        // of its backward pass alone: the caller's thread would wake on the processor of one of them.
        if threads > 1 || (is_saved && count > 1) {
            rayon::scope(|_| pass.run());
        } else {
            pass.run();
        }
        if let Some(mut gives) = gives.filter(|_| changes) {
            let directions_apart = view(directions_apart, (steps, batch, directions * size));
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
