//! The arrays of a backward pass, beside those that the call has kept.

use super::arrays::{Arrays, Group};
use super::back_product::BackProduct;
use super::buffers::BufferId;
use super::builder::Builder;
use super::flat::Flat;
use super::ops::outers;
use super::{FOUR, Workload, padded, product};
use crate::Result;
use crate::network::{Back, Dtype, Merge, Network, Operand, SlotSpec};
use crate::weights::Table;

/// Sums over time of a layer-normalised cell, of H numbers each: by the biases of the gates, by the gains of
/// both products, and by gain and bias of c.
pub(super) const NORM_SUMS: u64 = 4 + 2 * 4 + 2;

/// The gradients by everything that is no weight as kernels read it; all of them f32.
pub(super) struct GradientArrays {
    /// By the input, and then by each layer's output: a buffer a segment, `[S, N, C']`. None where the call
    /// gives no output of every step.
    by: Vec<Option<Vec<BufferId>>>,
    /// The gradients by the outputs of lower layers that are given: a buffer a segment.
    pub given: Vec<Option<Vec<BufferId>>>,
    /// By the outputs of both directions, where their product is the layer's output.
    pub factors: Vec<Option<[Vec<BufferId>; 2]>>,
    pub groups: Vec<GroupGradients>,
    /// By the last output, where the call gives that alone.
    pub by_final: Option<FinalGradients>,
    /// Partial sums of a weight.
    pub partial: BufferId,
    pub flat: Flat,
}

/// By the last output: `[N, H']` of each direction, or of both merged; and by each of two directions whose
/// product is the output, `[2, N, H']`.
#[derive(Clone, Copy)]
pub(super) struct FinalGradients {
    pub by: BufferId,
    pub factors: Option<BufferId>,
}

/// The arrays of one direction of a layer, or of both.
pub(super) struct GroupGradients {
    /// The gradients that go from step to step: by h `[D, N, H']`, by c `[D, N, H]`, and sums over time.
    pub carry: BufferId,
    pub places: Carried,
    /// By the projection's result, `[D, S, N, P']`, and by a layer-normalised cell's m, `[S, N, H']`; behind
    /// the last of them, by c of every step.
    pub projected: Option<Vec<BufferId>>,
    pub by_m: Option<Vec<BufferId>>,
    /// By the candidate, `[D, N, H']`.
    pub candidate: Option<BufferId>,
    /// The operand of the projection or of the candidate's product, `[D, S, N, H']`.
    pub m: Option<Vec<BufferId>>,
}

/// The places in the array of carried gradients.
pub(super) struct Carried {
    /// By c.
    pub cells: u64,
    /// Sums over time, the length of one, and their number.
    pub sums: u64,
    pub sum_len: u64,
    pub sum_count: u64,
    /// The end of these, where the sums of parts of K begin.
    pub len: u64,
}

impl Carried {
    /// The sizes for the directions of a group.
    pub fn of(workload: &Workload, slots: &[SlotSpec]) -> Carried {
        let (slot, directions, batch) = (&slots[0], slots.len() as u64, workload.batch as u64);
        let cells = product(&[directions, batch, padded(slot.state_size)]);
        let sum_len = product(&[directions, batch, slot.hidden_size as u64]);
        let sums = cells + if slot.cell.cell.has_cell_state() { sum_len } else { 0 };
        let peepholes = if slot.cell.peepholes { 3 } else { 0 };
        let sum_count = peepholes + if slot.cell.layer_norm { NORM_SUMS } else { 0 };
        let len = sums.saturating_add(product(&[sum_count, sum_len]));
        Carried { cells, sums, sum_len, sum_count, len }
    }
}

/// The gradient by the output of a direction, as its steps read it.
pub(super) struct OutputGradient {
    pub segments: Vec<BufferId>,
    /// Row length, and the place where the direction begins.
    pub stride: u64,
    pub offset: u64,
    pub scale: f64,
}

impl GradientArrays {
    pub fn new(builder: &mut Builder<'_>, arrays: &Arrays<'_>) -> Result<GradientArrays> {
        let (network, workload) = (builder.network, builder.workload);
        let batch = workload.batch as u64;
        let mut by = Vec::new();
        for index in 0..=network.num_layers {
            let is_top = index == network.num_layers;
            let cells = if is_top { cells_beside(builder) } else { 0 };
            if is_top && workload.outputs.last_only && cells == 0 {
                by.push(None);
                continue;
            }
            let name = match index {
                0 => "gradient by input".to_owned(),
                _ => format!("gradient by layer {}", index - 1),
            };
            let step = product(&[batch, row(network, index) + cells]);
            by.push(Some(builder.over_time(&name, step, Dtype::F32)?));
        }
        let (mut given, mut factors) = (Vec::new(), Vec::new());
        for layer in 0..network.num_layers {
            let is_given = workload.outputs.every_layer && layer + 1 < network.num_layers;
            given.push(match is_given {
                true => {
                    let step = product(&[batch, row(network, layer + 1)]);
                    Some(builder.over_time(&format!("given by layer {layer}"), step, Dtype::F32)?)
                }
                false => None,
            });
            let cells = if layer + 1 == network.num_layers { cells_beside_factor(builder) } else { 0 };
            let multiplies = network.merge == Merge::Multiply && (by[layer + 1].is_some() || cells > 0);
            factors.push(match multiplies {
                true => {
                    let step = product(&[batch, row(network, layer + 1) + cells]);
                    let name = |direction| format!("gradient by layer {layer} direction {direction}");
                    let forward = builder.over_time(&name(0), step, Dtype::F32)?;
                    Some([forward, builder.over_time(&name(1), step, Dtype::F32)?])
                }
                false => None,
            });
        }
        let groups = arrays.groups.iter().map(|group| GroupGradients::new(builder, group));
        let groups = groups.collect::<Result<Vec<_>>>()?;
        let mut by_final = None;
        if workload.outputs.last_only {
            let len = product(&[batch, row(network, network.num_layers)]);
            let by = builder.buffers.work("gradient by last output", len, Dtype::F32)?;
            let factors = match network.merge == Merge::Multiply && network.direction_count() > 1 {
                true => {
                    Some(builder.buffers.work("gradient by last factors", product(&[2, len]), Dtype::F32)?)
                }
                false => None,
            };
            by_final = Some(FinalGradients { by, factors });
        }
        // The length of the largest sums of any weight.
        let mut longest = 1;
        for group in &arrays.groups {
            for slot in group.slots {
                for time in &builder.cut.segments {
                    let lens = outers::lens(builder, slot, time.steps * batch);
                    longest = lens.into_iter().fold(longest, u64::max);
                }
            }
        }
        let partial = builder.buffers.work("partial sums", longest, Dtype::F32)?;
        let flat = Flat::gradients(Table::of(network), &mut builder.buffers)?;
        Ok(GradientArrays { by, given, factors, groups, by_final, partial, flat })
    }

    /// The gradient by a layer's input.
    pub fn by_input(&self, layer: usize) -> &[BufferId] {
        self.by[layer].as_deref().expect("only the last layer's output can have none")
    }

    /// The gradient by a layer's output, directions merged; none where no gradient can be given.
    pub fn by_output(&self, layer: usize) -> Option<&[BufferId]> {
        self.by[layer + 1].as_deref()
    }

    /// The gradient by the output of a direction.
    pub fn by_direction(&self, builder: &Builder<'_>, slot: &SlotSpec) -> Option<OutputGradient> {
        let (network, size) = (builder.network, padded(slot.state_size));
        if slot.layer + 1 == network.num_layers && builder.workload.outputs.last_only {
            return None;
        }
        let by = self.by_output(slot.layer)?.to_vec();
        let direction = slot.direction as u64;
        Some(match network.merge {
            Merge::Concatenate | Merge::Apart => {
                let stride = row(network, slot.layer + 1);
                OutputGradient { segments: by, stride, offset: direction * size, scale: 1.0 }
            }
            Merge::Sum => OutputGradient { segments: by, stride: size, offset: 0, scale: 1.0 },
            Merge::Average => OutputGradient { segments: by, stride: size, offset: 0, scale: 0.5 },
            Merge::Multiply => {
                let factors = self.factors[slot.layer].as_ref()?;
                let segments = factors[slot.direction].clone();
                OutputGradient { segments, stride: size, offset: 0, scale: 1.0 }
            }
        })
    }
}

impl GroupGradients {
    /// The operand of a later product in a segment, of a cell that has one.
    pub fn operand(&self, of: Operand, segment: usize) -> BufferId {
        let m = self.m.as_ref().unwrap_or_else(|| panic!("a cell without {of:?} has no such operand"));
        m[segment]
    }

    fn new(builder: &mut Builder<'_>, group: &Group<'_>) -> Result<GroupGradients> {
        let (network, workload, slot) = (builder.network, builder.workload, group.slot());
        let (directions, batch) = (group.slots.len() as u64, workload.batch as u64);
        let places = Carried::of(workload, group.slots);
        let phases = Back::of(&slot.cell);
        let mut parts = 0;
        for &phase in &phases {
            // A sequence has no parts, but what ends its steps may have.
            let made = BackProduct::of(builder, group.slots, phase, true)?;
            parts = made.map_or(0, |made| made.sums_of_parts()).max(parts);
        }
        let name = format!("slot {}", slot.index);
        let len = places.len.saturating_add(parts);
        let carry = builder.buffers.work(&format!("{name} carried gradients"), len, Dtype::F32)?;
        let has = |operand: Operand| phases.iter().any(|phase| phase.row().operand == operand);
        let row = product(&[directions, batch, padded(slot.hidden_size)]);
        let (mut projected, mut by_m, mut candidate, mut m) = (None, None, None, None);
        let is_top = slot.layer + 1 == network.num_layers;
        let tail = if is_top && workload.outputs.cell_states { places.sum_len } else { 0 };
        if has(Operand::Projected) {
            let tail = if slot.cell.layer_norm { 0 } else { tail };
            let name = format!("{name} gradient by projection");
            projected = Some(builder.over_time(&name, places.cells + tail, Dtype::F32)?);
        }
        if slot.cell.layer_norm {
            by_m = Some(builder.over_time(&format!("{name} gradient by m"), row + tail, Dtype::F32)?);
        }
        if has(Operand::Candidate) {
            candidate = Some(builder.buffers.work(&format!("{name} gradient by n"), row, workload.dtype)?);
        }
        if projected.is_some() || candidate.is_some() {
            // The type is that of the other operand of the sums over time.
            let dtype = if candidate.is_some() { workload.dtype } else { Dtype::F32 };
            m = Some(builder.over_time(&format!("{name} operand"), row, dtype)?);
        } else if slot.cell.layer_norm {
            // An array that is bound as one to write, and is not written, is no other array that is bound.
            let unused = builder.buffers.work(&format!("{name} unused"), 1, Dtype::F32)?;
            m = Some(vec![unused; builder.cut.segments.len()]);
        }
        Ok(GroupGradients { carry, places, projected, by_m, candidate, m })
    }
}

/// Row length of the gradient by the input, or by the output of a layer counted from 1.
pub(super) fn row(network: &Network, index: usize) -> u64 {
    match index.checked_sub(1) {
        None => padded(network.input_size),
        Some(layer) => network.merged_directions() as u64 * padded(network.layer(layer)[0].state_size),
    }
}

/// Numbers of the gradient by c per row of the batch and step, where they stand behind the one by the output.
pub(super) fn cells_beside(builder: &Builder<'_>) -> u64 {
    let (network, slot) = (builder.network, &builder.network.top()[0]);
    let is_apart = has_own_cells(slot) || network.merge == Merge::Multiply;
    let is_beside = builder.workload.outputs.cell_states && !is_apart;
    if is_beside { (network.direction_count() * slot.hidden_size) as u64 } else { 0 }
}

/// The same of one direction, where they stand behind the one by that direction's output.
pub(super) fn cells_beside_factor(builder: &Builder<'_>) -> u64 {
    let (network, slot) = (builder.network, &builder.network.top()[0]);
    let multiplies = network.merge == Merge::Multiply && !has_own_cells(slot);
    if multiplies && builder.workload.outputs.cell_states { slot.hidden_size as u64 } else { 0 }
}

/// True where the gradient by c stands behind an array of the slot's own.
pub(super) fn has_own_cells(slot: &SlotSpec) -> bool {
    slot.cell.has_projection || slot.cell.layer_norm
}

/// The place where the gradient by c begins, behind the one by the output.
pub(super) fn cells_start(builder: &Builder<'_>, steps: u64) -> u64 {
    product(&[steps, builder.workload.batch as u64, row(builder.network, builder.network.num_layers)])
}

/// Vectors of four in a row.
pub(super) fn vectors(numbers: u64) -> u64 {
    numbers / FOUR
}
