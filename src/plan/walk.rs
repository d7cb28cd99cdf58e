//! The walk through time: segments, the order of time steps, and the cut into passes and submits.

use super::dispatch::{Dispatch, Gives, Pass};
use std::sync::Arc;

/// Steps in one submit, both directions counted, so that no driver's watchdog fires.
const STEPS_IN_A_SUBMIT: u64 = 256;

/// A run of time steps whose arrays fit into bindings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first step.
    pub first: u64,
    /// S.
    pub steps: u64,
}

impl Segment {
    /// The steps before the end of the longest sequence.
    pub fn steps_within(self, longest: u64) -> u64 {
        longest.saturating_sub(self.first).min(self.steps)
    }

    /// All T steps in segments of `each` steps.
    pub(super) fn cut(steps: u64, each: u64) -> Vec<Segment> {
        let firsts = (0..steps).step_by(each as usize);
        firsts.map(|first| Segment { first, steps: each.min(steps - first) }).collect()
    }
}

/// A run of time steps, in the order of one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// The earliest time step.
    pub first: u64,
    /// The number of time steps.
    pub count: u64,
    /// t falls.
    pub reverse: bool,
    /// The time step that the kernels know as 0.
    pub origin: u64,
    /// The reverse direction goes along, from the other end.
    pub is_paired: bool,
    /// All of them are done in one dispatch.
    pub at_once: bool,
}

/// One time step of a call, or several that are done at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// t, as the kernels know it.
    pub t: u32,
    /// t of the reverse direction which goes along, or the same.
    pub t_of_reverse: u32,
    /// Steps taken before.
    pub taken: u64,
    /// Steps from there on, in the order of the direction.
    pub count: u32,
}

impl Times {
    /// The steps that are dispatched, where the longest sequence has `longest` steps.
    pub fn iter(self, longest: u64) -> impl Iterator<Item = Step> {
        let Times { first, count, reverse, origin, is_paired, at_once } = self;
        let end = (first + count).min(longest);
        let count = if at_once { end.saturating_sub(first) } else { 1 };
        (first..end).step_by((count as usize).max(1)).map(move |step| {
            let t = if reverse { first + end - 1 - step } else { step };
            let taken = if reverse { longest - 1 - t } else { t };
            let other = if is_paired { longest - 1 - t } else { t };
            // A call has far fewer steps than 2^32.
            Step { t: (t - origin) as u32, t_of_reverse: (other - origin) as u32, taken, count: count as u32 }
        })
    }
}

/// Passes in the order in which they are recorded, by submit.
pub(super) struct Walk {
    pub submits: Vec<Vec<Pass>>,
    /// Steps in the last submit.
    submitted: u64,
}

impl Walk {
    pub fn new() -> Walk {
        Walk { submits: vec![Vec::new()], submitted: 0 }
    }

    /// A pass that is outside of time.
    pub fn once(&mut self, label: String, dispatches: Vec<Dispatch>) {
        if !dispatches.is_empty() {
            self.push(Pass { label, dispatches: dispatches.into(), times: None, gives: None });
        }
    }

    /// The same, of gradients that may not be wanted.
    pub fn giving(&mut self, label: String, dispatches: Vec<Dispatch>, gives: Gives) {
        if !dispatches.is_empty() {
            self.push(Pass { label, dispatches: dispatches.into(), times: None, gives: Some(gives) });
        }
    }

    /// The steps of a segment in the order of a direction, cut where a submit is full; `at_once` is the
    /// number of steps that one dispatch does, if it does several.
    pub fn steps(
        &mut self,
        label: &str,
        dispatches: Vec<Dispatch>,
        segment: Segment,
        (reverse, is_paired): (bool, bool),
        at_once: Option<u64>,
    ) {
        let dispatches: Arc<[Dispatch]> = dispatches.into();
        let Segment { first: origin, steps } = segment;
        let mut done = 0;
        while done < steps {
            if self.submitted == STEPS_IN_A_SUBMIT {
                self.submits.push(Vec::new());
                self.submitted = 0;
            }
            let room = STEPS_IN_A_SUBMIT - self.submitted;
            let count = (steps - done).min(room).min(at_once.unwrap_or(room));
            let first = if reverse { origin + steps - done - count } else { origin + done };
            let times = Times { first, count, reverse, origin, is_paired, at_once: at_once.is_some() };
            self.push(Pass {
                label: label.to_owned(),
                dispatches: dispatches.clone(),
                times: Some(times),
                gives: None,
            });
            self.submitted += count;
            done += count;
        }
    }

    /// One time step of a segment by itself; with both directions, from both ends.
    pub fn one_step(
        &mut self,
        label: &str,
        dispatches: Vec<Dispatch>,
        segment: Segment,
        at: u64,
        is_paired: bool,
    ) {
        let (first, origin) = (segment.first + at, segment.first);
        let times = Times { first, count: 1, reverse: false, origin, is_paired, at_once: false };
        self.push(Pass {
            label: label.to_owned(),
            dispatches: dispatches.into(),
            times: Some(times),
            gives: None,
        });
    }

    fn push(&mut self, pass: Pass) {
        self.submits.last_mut().expect("there is a submit from the beginning").push(pass);
    }
}
