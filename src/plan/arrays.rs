//! The arrays of a plan: the input, and the arrays of each layer and direction.

use super::buffers::BufferId;
use super::builder::Builder;
use super::cut::output_row;
use super::steps::phases;
use super::{FOUR, padded, product};
use crate::Result;
use crate::network::{Dtype, SlotSpec};

/// An array that a layer reads: the input, or the output of the layer below, or of a direction of it; a
/// buffer a segment.
#[derive(Clone)]
pub(super) struct SourceArray {
    pub segments: Vec<BufferId>,
    /// The place where it begins in each, and its row length, in vectors of four.
    pub offset: u64,
    pub depth: u64,
}

/// One direction of a layer, or both directions at once; then all of its arrays have both, one after the
/// other.
pub(super) struct Group<'a> {
    pub slots: &'a [SlotSpec],
    /// Hidden state; with a second buffer, read and written in turn; the first holds the initial one.
    pub hidden: [BufferId; 2],
    pub cell_state: BufferId,
    /// The result of each phase but the last, for the next one.
    pub scratch: Vec<BufferId>,
    /// The output by segment, and the length of one direction's in each.
    pub output: Vec<BufferId>,
    pub direction_output: Vec<u64>,
    /// The output is kept for every step; so is the cell state.
    pub keeps_steps: bool,
    pub keeps_cells: bool,
}

impl Group<'_> {
    /// The first slot; the second slot has the same sizes, in the other direction.
    pub fn slot(&self) -> &SlotSpec {
        &self.slots[0]
    }

    pub fn is_paired(&self) -> bool {
        self.slots.len() == 2
    }
}

/// All arrays of a plan, weights and staging buffers apart.
pub(super) struct Arrays<'a> {
    pub lengths: Option<BufferId>,
    /// The input's gates of a layer, or of a direction and segment of one.
    pub input_gates: BufferId,
    pub input: Vec<BufferId>,
    pub groups: Vec<Group<'a>>,
    /// L.
    layers: usize,
    /// The final h of both directions of the last layer, merged, where only that is given back.
    pub merged_final: Option<BufferId>,
}

impl<'a> Arrays<'a> {
    pub fn new(builder: &mut Builder<'a>) -> Result<Arrays<'a>> {
        let (network, workload) = (builder.network, builder.workload);
        let batch = workload.batch as u64;
        let lengths = match workload.has_lengths {
            true => Some(builder.buffers.work("lengths", batch, Dtype::F32)?),
            false => None,
        };
        let directions = if builder.cut.shares_gates { network.direction_count() as u64 } else { 1 };
        let columns = network.slots.iter().map(super::weights::columns).max().unwrap_or(0);
        let longest = builder.cut.segments[0].steps;
        let gates = product(&[longest, batch, FOUR, directions, columns]);
        let input_gates = builder.buffers.work("input gates", gates, workload.dtype)?;
        let input = builder.over_time("input", product(&[batch, padded(network.input_size)]))?;
        let together = if builder.choice.is_paired { 2 } else { 1 };
        let groups = network.slots.chunks(together).map(|slots| Group::new(builder, slots));
        let groups = groups.collect::<Result<_>>()?;
        let mut merged_final = None;
        if workload.outputs.last_only && network.merge.is_elementwise() {
            let len = product(&[batch, padded(network.top()[0].state_size)]);
            merged_final = Some(builder.buffers.work("merged final h", len, workload.dtype)?);
        }
        Ok(Arrays { lengths, input_gates, input, groups, layers: network.num_layers, merged_final })
    }

    /// The groups of a layer.
    pub fn of_layer(&self, layer: usize) -> impl Iterator<Item = (usize, &Group<'a>)> {
        // Each layer has the same number of groups, and the groups come layer by layer.
        let each = self.groups.len() / self.layers;
        self.groups.iter().enumerate().skip(layer * each).take(each)
    }

    /// The arrays that a layer reads.
    pub fn sources(&self, builder: &Builder<'_>, layer: usize) -> Vec<SourceArray> {
        let Some(below) = layer.checked_sub(1) else {
            let depth = padded(builder.network.input_size) / FOUR;
            return vec![SourceArray { segments: self.input.clone(), offset: 0, depth }];
        };
        self.outputs(builder, below)
    }

    /// The arrays that a layer gives to the one above, once directions are merged.
    pub fn outputs(&self, builder: &Builder<'_>, layer: usize) -> Vec<SourceArray> {
        let mut outputs = Vec::new();
        for (_, group) in self.of_layer(layer) {
            let depth = padded(group.slot().state_size) / FOUR;
            for direction in 0..group.slots.len() as u64 {
                let offset = direction * group.direction_output[0] / FOUR;
                outputs.push(SourceArray { segments: group.output.clone(), offset, depth });
            }
        }
        outputs.truncate(builder.network.merged_directions());
        outputs
    }
}

impl<'a> Group<'a> {
    fn new(builder: &mut Builder<'a>, slots: &'a [SlotSpec]) -> Result<Group<'a>> {
        let (network, workload) = (builder.network, builder.workload);
        let (slot, directions, batch) = (&slots[0], slots.len() as u64, workload.batch as u64);
        let is_top = slot.layer + 1 == network.num_layers;
        let (name, dtype) = (format!("slot {}", slot.index), workload.dtype);
        let phases = phases(&slot.cell, builder.choice.schedule);
        let state = product(&[directions, batch, padded(slot.state_size)]);
        let mut hidden = [builder.buffers.work(&format!("{name} h"), state, dtype)?; 2];
        if phases[0].alternates {
            hidden[1] = builder.buffers.work(&format!("{name} next h"), state, dtype)?;
        }
        let mut scratch = Vec::new();
        for phase in phases.iter().filter(|phase| !phase.is_last) {
            let len = product(&[directions, batch, FOUR, phase.result_depth(slot)]);
            let name = format!("{name} {}", phase.equation.row().result);
            scratch.push(builder.buffers.work(&name, len, dtype)?);
        }
        let row = output_row(network, workload, slot);
        let (mut output, mut direction_output) = (Vec::new(), Vec::new());
        for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
            // In whole vectors, since the layer above reads both directions so.
            let len = product(&[segment.steps, batch, row]).div_ceil(FOUR).saturating_mul(FOUR);
            let number = if builder.cut.is_whole() { String::new() } else { format!(" {index}") };
            // A binding cannot be empty.
            let len_of_all = product(&[directions, len]).max(1);
            output.push(builder.buffers.work(&format!("{name} output{number}"), len_of_all, dtype)?);
            direction_output.push(len);
        }
        // The cell state of an LSTM, or one number per unit between two phases.
        let holds_cell = phases.iter().any(|phase| phase.uses_cell_state());
        let len = if holds_cell { product(&[directions, batch, slot.hidden_size as u64]) } else { 1 };
        let cell_state = builder.buffers.work(&format!("{name} c"), len, Dtype::F32)?;
        Ok(Group {
            slots,
            hidden,
            cell_state,
            scratch,
            output,
            direction_output,
            keeps_steps: !(is_top && workload.outputs.last_only),
            keeps_cells: is_top && workload.outputs.cell_states,
        })
    }
}
