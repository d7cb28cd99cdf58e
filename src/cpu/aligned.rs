//! Numbers that begin at a cache line, so that no vector lies across two.

use bytemuck::{Pod, Zeroable};
use std::ops::{Deref, DerefMut};

/// Floats of a cache line, and the most that a vector holds: rows of units are padded to whole ones.
pub const LINE: usize = 16;

#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C, align(64))]
struct Line([f32; LINE]);

/// A slice of floats.
#[derive(Debug, Default)]
pub struct Aligned {
    lines: Vec<Line>,
    len: usize,
}

impl Aligned {
    pub fn zeros(len: usize) -> Aligned {
        let mut lines = Aligned::default();
        lines.resize(len);
        lines
    }

    /// Sets the length to `len`, with unspecified numbers. Memory is kept.
    pub fn resize(&mut self, len: usize) {
        let needed = len.div_ceil(LINE);
        if needed > self.lines.len() {
            self.lines.resize(needed, Line::zeroed());
        }
        self.len = len;
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

/// A number of units in whole lines.
pub fn padded(units: usize) -> usize {
    units.next_multiple_of(LINE)
}
