//! The transfers between host and GPU, and their places in the staging buffers.

use super::arrays::{Arrays, DROPOUT_WORDS, KeptSteps};
use super::buffers::{BufferId, Content};
use super::builder::Builder;
use super::gradient_arrays::{GradientArrays, cells_beside, cells_beside_factor, cells_start, row};
use super::walk::Segment;
use super::{FOUR, padded, product};
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
    /// The words of 32 bits that `drop.wgsl` is told.
    Dropout,
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
    /// Some steps of the gradient by a layer's output, `[S, N, C']`, each direction padded by itself.
    OutputGradient(usize, Segment),
    /// Some steps of the gradient by the last layer's cell states, `[S, N, H]` of each of some slots, side by
    /// side.
    CellGradient {
        /// The first slot.
        slot: usize,
        /// The number of slots.
        count: usize,
        /// The time steps.
        segment: Segment,
    },
    /// A piece of the gradient by the last output, `[1, N, H']`.
    FinalGradient(Piece),
    /// Sums that begin as zero.
    Zeros,
    /// Some steps of the gradient by the input, `[S, N, I']`.
    InputGradient(Segment),
    /// The flat gradients by weights, from a number of their table on.
    WeightGradients {
        /// The place in the table of the first number.
        first: usize,
    },
}

impl Payload {
    fn segment(self) -> Option<Segment> {
        match self {
            Payload::Input(segment) | Payload::InputGradient(segment) => Some(segment),
            Payload::OutputGradient(_, segment) | Payload::CellGradient { segment, .. } => Some(segment),
            Payload::Result(_, segment) => segment,
            _ => None,
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
pub(super) fn forward(
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
    if let Some(dropout) = arrays.dropout {
        up.place(builder, Payload::Dropout, [dropout; 2], 0, DROPOUT_WORDS);
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
            let order: Vec<usize> = group.order(builder.cut.segments.len()).collect();
            let kept = |segment: usize| KeptSteps::new(slot, builder.cut.segments[segment].steps);
            let (first, last) = (order[0], order[order.len() - 1]);
            if workload.is_saved() {
                // The state before the first step, beside those of all steps.
                let at = direction * group.direction_output[first] + kept(first).first * len;
                up.place(builder, what, [group.output[first]; 2], at, len);
            }
            let what = Payload::Cell { slot: slot.index };
            let len = product(&[batch, slot.cell_state_size() as u64]);
            if len > 0 && workload.is_saved() {
                let place =
                    |segment: usize, step: u64| direction * group.direction_cells[segment] + step * len;
                let (from, to) = (group.cell_state(first), group.cell_state(last));
                up.place(builder, what, [from; 2], place(first, kept(first).first), len);
                down.place(builder, what, [to; 2], place(last, kept(last).last), len);
            } else if len > 0 {
                up.place(builder, what, [group.cell_state(0); 2], direction * len, len);
                down.place(builder, what, [group.cell_state(0); 2], direction * len, len);
            }
        }
    }
    Ok((up.finish(builder)?, down.finish(builder)?))
}

/// Brings the gradients by a saved call's results in, and those by its arguments and weights out.
pub(super) fn backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
) -> Result<(Vec<Transfer>, Vec<Transfer>)> {
    let (network, workload) = (builder.network, builder.workload);
    let batch = workload.batch as u64;
    let mut up = Staging::new("upload of gradients", Content::Upload);
    let mut down = Staging::new("download of gradients", Content::Download);
    let segments = builder.cut.segments.clone();
    for layer in 0..network.num_layers {
        let is_top = layer + 1 == network.num_layers;
        let given = match is_top {
            true if workload.outputs.last_only => None,
            true => gradients.by_output(layer),
            false => gradients.given[layer].as_deref(),
        };
        for (&segment, &buffer) in segments.iter().zip(given.unwrap_or_default()) {
            let len = product(&[segment.steps, batch, row(network, layer + 1)]);
            up.place(builder, Payload::OutputGradient(layer, segment), [buffer; 2], 0, len);
        }
    }
    if let Some(by_final) = &gradients.by_final {
        for piece in pieces(network, workload.outputs).filter(|piece| piece.source == Source::Final) {
            let slot = &network.slots[piece.slot];
            let len = product(&[batch, padded(slot.state_size)]);
            let first = slot.direction as u64 * len;
            up.place(builder, Payload::FinalGradient(piece), [by_final.by; 2], first, len);
        }
    }
    let beside = cells_beside(builder);
    if let Some(by) = gradients.by_output(network.num_layers - 1).filter(|_| beside > 0) {
        let (slot, count) = (network.top()[0].index, network.direction_count());
        for (&segment, &buffer) in segments.iter().zip(by) {
            let what = Payload::CellGradient { slot, count, segment };
            let len = product(&[segment.steps, batch, beside]);
            up.place(builder, what, [buffer; 2], cells_start(builder, segment.steps), len);
        }
    }
    let (top, width) = (network.num_layers - 1, cells_beside_factor(builder));
    if let Some(factors) = gradients.factors[top].as_ref().filter(|_| width > 0) {
        for (slot, factor) in network.top().iter().zip(factors) {
            for (&segment, &buffer) in segments.iter().zip(factor) {
                let what = Payload::CellGradient { slot: slot.index, count: 1, segment };
                let len = product(&[segment.steps, batch, width]);
                up.place(builder, what, [buffer; 2], cells_start(builder, segment.steps), len);
            }
        }
    }
    for (group, own) in arrays.groups.iter().zip(&gradients.groups) {
        let (slot, count) = (group.slot(), group.slots.len());
        let is_top = slot.layer + 1 == network.num_layers;
        let holder = own.by_m.as_ref().or(own.projected.as_ref());
        if let Some(holder) = holder.filter(|_| is_top && workload.outputs.cell_states) {
            let width = if own.by_m.is_some() { slot.hidden_size } else { slot.state_size };
            for (&segment, &buffer) in segments.iter().zip(holder) {
                let what = Payload::CellGradient { slot: slot.index, count, segment };
                let rows = product(&[count as u64, segment.steps, batch]);
                let first = product(&[rows, padded(width)]);
                up.place(builder, what, [buffer; 2], first, product(&[rows, slot.hidden_size as u64]));
            }
        }
        for (direction, slot) in (0..).zip(group.slots) {
            let len = product(&[batch, padded(slot.state_size)]);
            let cells = product(&[batch, slot.cell_state_size() as u64]);
            let hidden = (Payload::Hidden { slot: slot.index }, direction * len, len);
            let cell = (Payload::Cell { slot: slot.index }, own.places.cells + direction * cells, cells);
            for (what, first, len) in [hidden, cell].into_iter().filter(|(.., len)| *len > 0) {
                up.place(builder, what, [own.carry; 2], first, len);
                down.place(builder, what, [own.carry; 2], first, len);
            }
        }
        if own.places.sum_count > 0 {
            up.place(
                builder,
                Payload::Zeros,
                [own.carry; 2],
                own.places.sums,
                own.places.sum_count * own.places.sum_len,
            );
        }
    }
    for (&segment, &buffer) in segments.iter().zip(gradients.by_input(0)) {
        let len = product(&[segment.steps, batch, padded(network.input_size)]);
        down.place(builder, Payload::InputGradient(segment), [buffer; 2], 0, len);
    }
    for (range, buffer) in &gradients.flat.buffers {
        let what = Payload::WeightGradients { first: range.start };
        down.place(builder, what, [*buffer; 2], 0, range.len() as u64);
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
    let results = arrays.outputs(builder, slot.layer);
    for (index, &segment) in builder.cut.segments.iter().enumerate() {
        let what = Payload::Result(piece, Some(segment));
        let steps = if group.keeps_steps { product(&[segment.steps, batch, h]) } else { 0 };
        match piece.source {
            Source::Cells => {
                let len = product(&[segment.steps, batch, slot.hidden_size as u64]);
                let (buffer, first) = if builder.workload.is_saved() {
                    let after = product(&[KeptSteps::new(slot, 0).after, batch, slot.hidden_size as u64]);
                    (group.cell_state(index), direction * group.direction_cells[index] + after)
                } else {
                    (group.output[index], direction * group.direction_output[index] + steps)
                };
                down.place(builder, what, [buffer; 2], first, len);
            }
            Source::Steps | Source::Final => {
                let result = &results[slot.direction % results.len()];
                down.place(builder, what, [result.segments[index]; 2], FOUR * result.offset, steps);
            }
        }
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
