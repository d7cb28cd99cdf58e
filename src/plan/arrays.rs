//! The arrays of a plan: the input, and the arrays of each layer and direction.

use super::buffers::BufferId;
use super::builder::Builder;
use super::cut::output_row;
use super::gates;
use super::steps::phases;
use super::weights::columns;
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
    /// The cell state; of a saved call the cell states of every step, by segment, and the length of one
    /// direction's in each.
    cell_states: Vec<BufferId>,
    pub direction_cells: Vec<u64>,
    /// The recurrent products of a layer-normalised cell that a saved call keeps, by segment: the same steps
    /// as the input's gates.
    pub recurrent: Vec<BufferId>,
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

    /// The cell state; of a saved call, the cell states of a segment.
    pub fn cell_state(&self, segment: usize) -> BufferId {
        self.cell_states[segment % self.cell_states.len()]
    }

    /// The segments in the order of the direction.
    pub fn order(&self, segments: usize) -> impl DoubleEndedIterator<Item = usize> + use<> {
        let is_reverse = self.slot().is_reverse;
        (0..segments).map(move |index| if is_reverse { segments - 1 - index } else { index })
    }
}

/// The place of a saved call's states in time: the state before a segment's first step, as the direction
/// goes, lies in a step of its own.
pub(super) struct KeptSteps {
    /// The step in which the states after t = 0 lie.
    pub after: u64,
    /// The step in which the states before t = 0 lie.
    pub before: u64,
    /// The steps in which the states before the first step, and after the last step, lie.
    pub first: u64,
    pub last: u64,
}

impl KeptSteps {
    pub fn new(slot: &SlotSpec, steps: u64) -> KeptSteps {
        match slot.is_reverse {
            false => KeptSteps { after: 1, before: 0, first: 0, last: steps },
            true => KeptSteps { after: 0, before: 1, first: steps, last: 0 },
        }
    }
}

/// All arrays of a plan, weights and staging buffers apart.
pub(super) struct Arrays<'a> {
    pub lengths: Option<BufferId>,
    /// The input's gates of a layer, or of a direction and segment of one; a saved call may keep all of them.
    input_gates: Vec<BufferId>,
    /// The gates that the way back makes again, of segments in turn; none where they are kept.
    gates_again: Vec<BufferId>,
    /// The recurrent products of a layer-normalised cell likewise.
    recurrent_again: Vec<BufferId>,
    /// A step of gates that are zero.
    zero_gates: Option<BufferId>,
    pub input: Vec<BufferId>,
    pub groups: Vec<Group<'a>>,
    /// L.
    layers: usize,
    /// The input of the layer above, by layer, where it lies beside the directions' output.
    results: Vec<Option<Vec<SourceArray>>>,
    /// The input of the layer above, by layer, where outputs are dropped.
    dropped: Vec<Option<Vec<SourceArray>>>,
    /// The words that `drop.wgsl` is told.
    pub dropout: Option<BufferId>,
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
        let input_gates = gates::input_gates(builder)?;
        let [gates_again, recurrent_again] = gates::gates_again(builder)?;
        let mut zero_gates = None;
        if !gates_again.is_empty() {
            let columns = network.slots.iter().map(|slot| columns(slot, true)).max().unwrap_or(0);
            let row = product(&[batch, FOUR, network.direction_count() as u64, columns]);
            zero_gates = Some(builder.buffers.work("zero gates", row, workload.dtype)?);
        }
        let input =
            builder.over_time("input", product(&[batch, padded(network.input_size)]), workload.dtype)?;
        let together = if builder.choice.is_paired { 2 } else { 1 };
        let groups = network.slots.chunks(together).map(|slots| Group::new(builder, slots));
        let groups = groups.collect::<Result<_>>()?;
        let mut merged_final = None;
        if workload.outputs.last_only && network.merge.is_elementwise() {
            let len = product(&[batch, padded(network.top()[0].state_size)]);
            merged_final = Some(builder.buffers.work("merged final h", len, workload.dtype)?);
        }
        let layers = network.num_layers;
        let mut arrays = Arrays {
            lengths,
            input_gates,
            gates_again,
            recurrent_again,
            zero_gates,
            input,
            groups,
            layers,
            results: Vec::new(),
            dropped: Vec::new(),
            dropout: None,
            merged_final,
        };
        for layer in 0..layers {
            let results = arrays.results_beside(builder, layer)?;
            arrays.results.push(results);
            let dropped = dropped(builder, layer)?;
            arrays.dropped.push(dropped);
        }
        if arrays.dropped.iter().any(Option::is_some) {
            arrays.dropout = Some(builder.buffers.work("dropout", DROPOUT_WORDS, Dtype::F32)?);
        }
        Ok(arrays)
    }

    /// The buffers of a layer's result, where a saved call keeps the output of each direction beside it.
    fn results_beside(&self, builder: &mut Builder<'a>, layer: usize) -> Result<Option<Vec<SourceArray>>> {
        let network = builder.network;
        let changes = network.merge.is_elementwise() || (network.residual && layer > 0);
        if !builder.workload.is_saved() || !changes {
            return Ok(None);
        }
        let size = padded(network.layer(layer)[0].state_size);
        let step = product(&[builder.workload.batch as u64, size]);
        let mut results = Vec::new();
        for index in 0..network.merged_directions() {
            let name = format!("layer {layer} result {index}");
            let segments = builder.over_time(&name, step, builder.workload.dtype)?;
            results.push(SourceArray { segments, offset: 0, depth: size / FOUR });
        }
        Ok(Some(results))
    }

    /// The gates on the way back: those that the call has kept, or that are made again.
    pub fn gates_back(
        &self,
        builder: &Builder<'_>,
        layer: usize,
        direction: usize,
        segment: usize,
    ) -> BufferId {
        match self.gates_again.is_empty() {
            true => self.gates(builder, layer, direction, segment),
            false => self.gates_again[segment % self.gates_again.len()],
        }
    }

    /// The recurrent products of a layer-normalised cell, on the way back; none of another cell.
    pub fn recurrent_back(&self, group: &Group<'_>, segment: usize) -> Option<BufferId> {
        if !group.slot().cell.layer_norm {
            return None;
        }
        match self.recurrent_again.is_empty() {
            true => group.recurrent.get(segment).copied(),
            false => Some(self.recurrent_again[segment % self.recurrent_again.len()]),
        }
    }

    /// A step of zeros, where gates are made again.
    pub fn zero_gates(&self) -> Option<BufferId> {
        self.zero_gates
    }

    /// The buffer of a layer's input gates, or of a direction and segment.
    pub fn gates(&self, builder: &Builder<'_>, layer: usize, direction: usize, segment: usize) -> BufferId {
        let (directions, segments) = match builder.cut.shares_gates {
            true => (1, 1),
            false => (builder.network.direction_count(), builder.cut.segments.len()),
        };
        let index = (layer * directions + direction % directions) * segments + segment % segments;
        self.input_gates[index % self.input_gates.len()]
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
        match &self.dropped[below] {
            Some(dropped) => dropped.clone(),
            None => self.outputs(builder, below),
        }
    }

    /// The arrays that a layer gives to the one above, once directions are merged.
    pub fn outputs(&self, builder: &Builder<'_>, layer: usize) -> Vec<SourceArray> {
        if let Some(results) = &self.results[layer] {
            return results.clone();
        }
        let mut outputs = self.directions(builder, layer);
        outputs.truncate(builder.network.merged_directions());
        outputs
    }

    /// The output of each direction of a layer.
    pub fn directions(&self, builder: &Builder<'_>, layer: usize) -> Vec<SourceArray> {
        let mut outputs = Vec::new();
        for (_, group) in self.of_layer(layer) {
            let depth = padded(group.slot().state_size) / FOUR;
            for (direction, slot) in (0..).zip(group.slots) {
                let mut offset = direction * group.direction_output[0] / FOUR;
                if builder.workload.is_saved() {
                    offset += KeptSteps::new(slot, 0).after * builder.workload.batch as u64 * depth;
                }
                outputs.push(SourceArray { segments: group.output.clone(), offset, depth });
            }
        }
        outputs
    }

    /// True if a layer's result lies beside the directions' output.
    pub fn has_results(&self, layer: usize) -> bool {
        self.results[layer].is_some()
    }
}

/// Words of the array that tells `drop.wgsl`: see there.
pub(super) const DROPOUT_WORDS: u64 = 6;

/// The input of the layer above a layer whose output is dropped.
fn dropped(builder: &mut Builder<'_>, layer: usize) -> Result<Option<Vec<SourceArray>>> {
    let (network, workload) = (builder.network, builder.workload);
    if !workload.drops || layer + 1 == network.num_layers {
        return Ok(None);
    }
    let size = padded(network.layer(layer)[0].state_size);
    let step = product(&[workload.batch as u64, size]);
    let mut dropped = Vec::new();
    for index in 0..network.merged_directions() {
        let name = format!("layer {layer} dropped {index}");
        let segments = builder.over_time(&name, step, workload.dtype)?;
        dropped.push(SourceArray { segments, offset: 0, depth: size / FOUR });
    }
    Ok(Some(dropped))
}

impl<'a> Group<'a> {
    fn new(builder: &mut Builder<'a>, slots: &'a [SlotSpec]) -> Result<Group<'a>> {
        let (network, workload) = (builder.network, builder.workload);
        let (slot, directions, batch) = (&slots[0], slots.len() as u64, workload.batch as u64);
        let is_top = slot.layer + 1 == network.num_layers;
        let (name, dtype) = (format!("slot {}", slot.index), workload.dtype);
        let phases = phases(&slot.cell, builder.choice.schedule, workload.saves);
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
        let more = u64::from(workload.is_saved());
        for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
            // In whole vectors, since the layer above reads both directions so.
            let len = product(&[segment.steps + more, batch, row]).div_ceil(FOUR).saturating_mul(FOUR);
            let number = if builder.cut.is_whole() { String::new() } else { format!(" {index}") };
            // A binding cannot be empty.
            let len_of_all = product(&[directions, len]).max(1);
            let name = format!("{name} output{number}");
            output.push(match workload.is_saved() {
                true => builder.buffers.saved(&name, len_of_all, dtype)?,
                false => builder.buffers.work(&name, len_of_all, dtype)?,
            });
            direction_output.push(len);
        }
        // The cell state of an LSTM, or one number per unit between two phases.
        let holds_cell = phases.iter().any(|phase| phase.uses_cell_state());
        let (mut cell_states, mut direction_cells) = (Vec::new(), Vec::new());
        let cells = product(&[batch, slot.hidden_size as u64]);
        if workload.is_saved() && slot.cell.cell.has_cell_state() {
            for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
                let len = product(&[segment.steps + 1, cells]);
                let number = if builder.cut.is_whole() { String::new() } else { format!(" {index}") };
                let name = format!("{name} c{number}");
                cell_states.push(builder.buffers.saved(&name, product(&[directions, len]), Dtype::F32)?);
                direction_cells.push(len);
            }
        } else {
            let len = if holds_cell { product(&[directions, cells]) } else { 1 };
            cell_states.push(builder.buffers.work(&format!("{name} c"), len, Dtype::F32)?);
        }
        let mut recurrent = Vec::new();
        if workload.keeps_gates() && slot.cell.layer_norm {
            let row = product(&[batch, FOUR, slot.hidden_size as u64]);
            recurrent = builder.by_segment(&format!("{name} recurrent gates"), |buffers, name, steps| {
                buffers.saved(name, product(&[steps + 1, row]), dtype)
            })?;
        }
        Ok(Group {
            slots,
            hidden,
            cell_states,
            direction_cells,
            recurrent,
            scratch,
            output,
            direction_output,
            keeps_steps: workload.is_saved() || !(is_top && workload.outputs.last_only),
            keeps_cells: !workload.is_saved() && is_top && workload.outputs.cell_states,
        })
    }
}
