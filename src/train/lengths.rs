//! The lengths of a batch's sequences.

use crate::{Error, Result};

/// Checked lengths. Without lengths, every sequence has all steps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lengths<'a>(Option<&'a [usize]>);

impl<'a> Lengths<'a> {
    /// Refuses lengths that do not fit T and N. T is none where predictions do not tell T.
    pub fn checked(lengths: Option<&'a [usize]>, steps: Option<usize>, batch: usize) -> Result<Lengths<'a>> {
        let refuse = |expected, found: usize| {
            Err(Error::Argument { name: "lengths", expected, found: found.to_string() })
        };
        let Some(given) = lengths else { return Ok(Lengths(None)) };
        if given.len() != batch {
            return refuse(format!("{batch}, one for each sequence"), given.len());
        }
        let most = steps.unwrap_or(usize::MAX);
        match given.iter().position(|&length| length > most) {
            Some(row) => refuse(format!("0 to {most} (T) for sequence {row}"), given[row]),
            None => Ok(Lengths(lengths)),
        }
    }

    /// Whether step t of sequence n is before the sequence's end.
    pub fn contains(self, t: usize, n: usize) -> bool {
        self.0.is_none_or(|lengths| t < lengths[n])
    }

    /// The length of sequence n, of T at most.
    pub fn of(self, n: usize, steps: usize) -> usize {
        self.0.map_or(steps, |lengths| lengths[n].min(steps))
    }
}
