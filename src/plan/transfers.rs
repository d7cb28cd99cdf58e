//! The transfers between host and GPU, and their places in the staging buffers.

use super::arrays::Arrays;
use super::buffers::{BufferId, Content};
use super::builder::Builder;
use super::walk::Segment;
use super::{padded, product};
use crate::Result;
use crate::call::{Piece, Source, pieces};
use crate::network::Dtype;

/// A copy between a staging buffer and a buffer of the GPU's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// The array, or the part of an array, that is copied.
    pub what: Payload,
    /// The staging buffer.
    pub staging: BufferId,
    /// The first byte there.
    pub staging_offset: u64,
    /// The GPU's buffer, after an even and after an odd number of time steps.
    pub buffer: [BufferId; 2],
    /// The first number there.
    pub buffer_offset: u64,
    /// The number of numbers, over all time steps.
    pub len: u64,
    /// The type of the numbers.
    pub dtype: Dtype,
}

/// An array that crosses between host and GPU; rows of H', I' and P' numbers are padded with zeros to whole
/// vectors of four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// `[N]` of u32.
    Lengths,
    /// A slot's hidden state, `[N, H']`, or P'.
    Hidden {
        /// The slot.
        slot: usize,
    },
    /// A slot's cell state, `[N, H]`.
    Cell {
        /// The slot.
        slot: usize,
    },
    /// Some steps of the input, `[S, N, I']`.
    Input(Segment),
    /// A piece of a result: some steps of a slot's output `[S, N, H']` or P', of its cell states `[S, N, H]`,
    /// or its final state `[1, N, H']`, which has no segment.
    Result(Piece, Option<Segment>),
}

impl Payload {
    fn segment(self) -> Option<Segment> {
        match self {
            Payload::Input(segment) => Some(segment),
            Payload::Result(_, segment) => segment,
            Payload::Lengths | Payload::Hidden { .. } | Payload::Cell { .. } => None,
        }
    }
}

impl Transfer {
    /// Bytes to be copied, in whole fours; an odd number of f16 is followed by an f16 that nothing reads.
    pub fn bytes_within(&self, longest: u64) -> u64 {
        (self.len_within(longest) * self.dtype.bytes()).next_multiple_of(4)
    }

    /// The GPU's buffer of the array, after `steps` time steps.
    pub fn after(&self, steps: u64) -> BufferId {
        self.buffer[(steps % 2) as usize]
    }

    /// Bytes of all time steps.
    pub fn bytes(&self) -> u64 {
        self.bytes_within(u64::MAX)
    }

    /// Numbers to be copied where the longest sequence has `longest` steps.
    pub fn len_within(&self, longest: u64) -> u64 {
        match self.what.segment() {
            Some(segment) => self.len / segment.steps * segment.steps_within(longest),
            None => self.len,
        }
    }
}

/// Brings input, lengths and initial states in, and the results out.
pub(super) fn transfers(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
) -> Result<(Vec<Transfer>, Vec<Transfer>)> {
    let (network, workload) = (builder.network, builder.workload);
    let batch = workload.batch as u64;
    let mut up = Staging::new("upload", Content::Upload);
    let mut down = Staging::new("download", Content::Download);
    for (&segment, &buffer) in builder.cut.segments.iter().zip(&arrays.input) {
        let len = product(&[segment.steps, batch, padded(network.input_size)]);
        up.place(builder, Payload::Input(segment), [buffer; 2], 0, len);
    }
    if let Some(lengths) = arrays.lengths {
        up.place(builder, Payload::Lengths, [lengths; 2], 0, batch);
    }
    for piece in pieces(network, workload.outputs) {
        place_piece(builder, arrays, piece, &mut down);
    }
    for group in &arrays.groups {
        for (direction, slot) in (0..).zip(group.slots) {
            let what = Payload::Hidden { slot: slot.index };
            let len = product(&[batch, padded(slot.state_size)]);
            up.place(builder, what, [group.hidden[0]; 2], direction * len, len);
            down.place(builder, what, group.hidden, direction * len, len);
            let what = Payload::Cell { slot: slot.index };
            let len = product(&[batch, slot.cell_state_size() as u64]);
            if len > 0 {
                up.place(builder, what, [group.cell_state; 2], direction * len, len);
                down.place(builder, what, [group.cell_state; 2], direction * len, len);
            }
        }
    }
    Ok((up.finish(builder)?, down.finish(builder)?))
}

/// The parts of a piece of a result, one part per segment.
fn place_piece(builder: &Builder<'_>, arrays: &Arrays<'_>, piece: Piece, down: &mut Staging) {
    let batch = builder.workload.batch as u64;
    let holds = |group: &&super::arrays::Group<'_>| group.slots.iter().any(|slot| slot.index == piece.slot);
    let group = arrays.groups.iter().find(holds).expect("every slot is in a group");
    let slot = &builder.network.slots[piece.slot];
    let direction = (piece.slot - group.slot().index) as u64;
    let h = padded(slot.state_size);
    if piece.source == Source::Final {
        let len = product(&[batch, h]);
        let (buffers, first) = match arrays.merged_final {
            Some(merged) => ([merged; 2], 0),
            None => (group.hidden, direction * len),
        };
        down.place(builder, Payload::Result(piece, None), buffers, first, len);
        return;
    }
    for (index, &segment) in builder.cut.segments.iter().enumerate() {
        let steps = if group.keeps_steps { product(&[segment.steps, batch, h]) } else { 0 };
        let first = direction * group.direction_output[index];
        let (first, len) = match piece.source {
            Source::Cells => (first + steps, product(&[segment.steps, batch, slot.hidden_size as u64])),
            Source::Steps | Source::Final => (first, steps),
        };
        down.place(builder, Payload::Result(piece, Some(segment)), [group.output[index]; 2], first, len);
    }
}

/// Payloads side by side in as few staging buffers as their limit allows.
struct Staging {
    name: &'static str,
    content: Content,
    transfers: Vec<Transfer>,
    /// Bytes of each buffer.
    sizes: Vec<u64>,
}

impl Staging {
    fn new(name: &'static str, content: Content) -> Staging {
        Staging { name, content, transfers: Vec::new(), sizes: Vec::new() }
    }

    fn place(
        &mut self,
        builder: &Builder<'_>,
        what: Payload,
        buffer: [BufferId; 2],
        buffer_offset: u64,
        len: u64,
    ) {
        let dtype = builder.buffers.get(buffer[0]).dtype;
        let bytes = len.saturating_mul(dtype.bytes()).div_ceil(4).saturating_mul(4);
        let fits = |&used: &u64| used.saturating_add(bytes) <= builder.limits.max_buffer_bytes;
        if !self.sizes.last().is_some_and(fits) {
            self.sizes.push(0);
        }
        let index = self.sizes.len() - 1;
        // The buffers are made at the end, and numbered until then.
        let (staging, staging_offset) = (BufferId(index), self.sizes[index]);
        self.transfers.push(Transfer { what, staging, staging_offset, buffer, buffer_offset, len, dtype });
        self.sizes[index] = self.sizes[index].saturating_add(bytes);
    }

    fn finish(self, builder: &mut Builder<'_>) -> Result<Vec<Transfer>> {
        let one = self.sizes.len() == 1;
        let mut buffers = Vec::new();
        for (index, &size) in self.sizes.iter().enumerate() {
            let name = if one { self.name.to_owned() } else { format!("{} {index}", self.name) };
            buffers.push(builder.buffers.staging(&name, self.content, size / 4)?);
        }
        let place = |transfer: Transfer| Transfer { staging: buffers[transfer.staging.0], ..transfer };
        Ok(self.transfers.into_iter().map(place).collect())
    }
}
