//! The threads of a layer: each has a direction, some rows of a direction, or a share of its units.

use super::aligned::padded;
use super::packed_slot::PackedSlot;
use super::saved::SavedSlot;
use super::team::{Member, Team};
use super::track::{Scratch, Span, Track, walk};
use ndarray::{ArrayViewMut, ArrayViewMut3, Axis, Dimension, s};
use std::sync::{Mutex, PoisonError};

/// The directions of a layer over some rows of the batch. Rows do not depend on each other.
pub struct Sweep<'a> {
    /// One entry per direction and share.
    pub slots: &'a [PackedSlot],
    /// The shares of a direction: the members of its team.
    pub shares: usize,
    pub span: Span<'a>,
    /// `[T, N, D*P]` of its rows, as the next ones; zero past the end of a sequence.
    pub output: Option<ArrayViewMut3<'a, f32>>,
    /// `[T, N, D*H]`
    pub cell_states: Option<ArrayViewMut3<'a, f32>>,
    /// `[D, N, P]`: the initial hidden states, and then the final ones.
    pub h: ArrayViewMut3<'a, f32>,
    /// `[D, N, H]`
    pub c: Option<ArrayViewMut3<'a, f32>>,
    /// Numbers for the backward pass, one entry per direction; the rows of a direction are then not split.
    pub saved: Option<&'a mut [SavedSlot]>,
    /// One scratch for each share of each part that the sweep is split into.
    pub scratches: &'a mut [Scratch],
}

impl<'a> Sweep<'a> {
    /// Runs the sweep on as many threads as there are scratches, each with a direction, some of a
    /// direction's rows or some of its units.
    pub fn run(mut self) {
        if self.scratches.len() > self.shares {
            let (one, other) = self.split();
            rayon::in_place_scope(|scope| {
                scope.spawn(|_| other.run());
                one.run();
            });
        } else if self.shares > 1 {
            self.team();
        } else {
            for direction in 0..self.slots.len() {
                let mut track = self.track(direction);
                track.begin();
                walk(std::slice::from_mut(&mut track), None);
            }
        }
    }

    /// A direction each; with one, some rows each.
    fn split(self) -> (Self, Self) {
        let (directions, batch) = (self.slots.len() / self.shares, self.h.dim().1);
        let parts = self.scratches.len() / 2;
        let rows = if directions > 1 { 0 } else { batch * parts / self.scratches.len() };
        let (output, other_output) = halves(self.output, directions, rows);
        let (cell_states, other_cell_states) = halves(self.cell_states, directions, rows);
        let (axis, index) = if directions > 1 { (Axis(0), 1) } else { (Axis(1), rows) };
        let (h, other_h) = self.h.split_at(axis, index);
        let (c, other_c) = self.c.map(|c| c.split_at(axis, index)).unzip();
        let (scratches, other_scratches) = self.scratches.split_at_mut(parts);
        let (slots, other_slots) =
            if directions > 1 { self.slots.split_at(self.shares) } else { (self.slots, self.slots) };
        let (saved, other_saved) = self.saved.map(|saved| saved.split_at_mut(1)).unzip();
        let Sweep { shares, span, .. } = self;
        let other_span = Span { first_row: span.first_row + rows, ..span };
        let one = Sweep { slots, shares, span, output, cell_states, h, c, saved, scratches };
        let other = Sweep {
            slots: other_slots,
            shares,
            span: other_span,
            output: other_output,
            cell_states: other_cell_states,
            h: other_h,
            c: other_c,
            saved: other_saved,
            scratches: other_scratches,
        };
        (one, other)
    }

    /// A direction with all of its units.
    fn track(&mut self, direction: usize) -> Track<'_> {
        let slot = &self.slots[direction];
        let own = |size: usize| s![.., .., direction * size..(direction + 1) * size];
        Track {
            slot,
            span: self.span,
            output: self.output.as_mut().map(|output| output.slice_mut(own(slot.spec.state_size))),
            cell_states: self.cell_states.as_mut().map(|c| c.slice_mut(own(slot.spec.hidden_size))),
            h: self.h.index_axis_mut(Axis(0), direction),
            c: self.c.as_mut().map(|c| c.index_axis_mut(Axis(0), direction)),
            saved: self.saved.as_mut().map(|saved| &mut saved[direction]),
            scratch: &mut self.scratches[0],
        }
    }

    /// One direction, each share of it by a member of a team. The leader has the shares of threads that come
    /// too late. The call ends when these have come as well.
    fn team(self) {
        let Sweep { slots, shares, span, .. } = self;
        let h = self.h.index_axis_move(Axis(0), 0);
        let widest = slots[0].recurrent.depth().max(slots[0].second_product().map_or(0, |m| m.depth()));
        let team = Team::new(shares, h.nrows() * padded(widest));
        self.scratches.iter_mut().for_each(|scratch| scratch.share(&h));
        let mut states = Columns(Some(h));
        let mut cells = self.c.map(|c| Columns(Some(c.index_axis_move(Axis(0), 0))));
        let (mut output, mut cell_states) =
            (self.output.map(|all| Columns(Some(all))), self.cell_states.map(|all| Columns(Some(all))));
        let places: Vec<Place<'_>> = slots
            .iter()
            .zip(self.scratches)
            .map(|(slot, scratch)| {
                let (units, state) = (slot.spec.hidden_size, slot.spec.state_size);
                Mutex::new(Some(Track {
                    slot,
                    span,
                    output: output.as_mut().map(|all| all.take(state)),
                    cell_states: cell_states.as_mut().map(|all| all.take(units)),
                    h: states.take(state),
                    c: cells.as_mut().map(|c| c.take(units)),
                    saved: None,
                    scratch,
                }))
            })
            .collect();
        rayon::in_place_scope(|scope| {
            (1..shares).for_each(|_| scope.spawn(|_| follow(&team, &places)));
            lead(&team, &places);
        });
    }
}

/// The next columns of an array, up to all of them.
struct Columns<'a, D>(Option<ArrayViewMut<'a, f32, D>>);

impl<'a, D: Dimension> Columns<'a, D> {
    fn take(&mut self, width: usize) -> ArrayViewMut<'a, f32, D> {
        let rest = self.0.take().expect("columns that are left");
        let columns = Axis(rest.ndim() - 1);
        let (own, rest) = rest.split_at(columns, width);
        self.0 = Some(rest);
        own
    }
}

/// The track of a member.
type Place<'a> = Mutex<Option<Track<'a>>>;

/// The leader's way: its own share, and those that nobody has come for.
fn lead(team: &Team, places: &[Place<'_>]) {
    let mut member = Member::new(team, 0);
    let begun = |place| {
        let mut track = take(place);
        track.begin();
        track
    };
    let mut tracks = vec![begun(&places[0])];
    team.close();
    tracks.extend(places[member.begin()..].iter().map(begun));
    walk(&mut tracks, Some(member));
}

/// Another member's way, if it comes in time.
fn follow(team: &Team, places: &[Place<'_>]) {
    if let Some(place) = team.join() {
        let mut member = Member::new(team, place);
        let mut track = take(&places[place]);
        track.begin();
        member.begin();
        walk(&mut [track], Some(member));
    }
}

/// Each place is taken once.
fn take<'a>(place: &Place<'a>) -> Track<'a> {
    place.lock().unwrap_or_else(PoisonError::into_inner).take().expect("a place that nobody has taken")
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
