//! The gradients by the weights of a slot, from those by its pre-activations: an outer product for each
//! product of the forward pass, and sums of its columns for the biases.

use crate::Cell;
use crate::Result;
use crate::network::{Reset, SlotSpec};
use crate::plan::arrays::{Arrays, Group, KeptSteps};
use crate::plan::buffers::BufferId;
use crate::plan::builder::Builder;
use crate::plan::dispatch::Dispatch;
use crate::plan::flat::{GATES_IN_ORDER, GATES_OF_PRODUCT};
use crate::plan::gradient_arrays::{GradientArrays, NORM_SUMS, vectors};
use crate::plan::outer::{Columns, Outer, Reduction};
use crate::plan::weights::{columns, gate_numbers, sources};
use crate::plan::{padded, product};
use crate::weights::TensorKind;
use std::ops::Range;

/// The numbers of partial sums that a slot needs in a segment.
pub fn lens(builder: &Builder<'_>, slot: &SlotSpec, rows: u64) -> Vec<u64> {
    let (_, source) = sources(builder.network, slot.layer);
    let gates = columns(slot, true);
    let states = vectors(padded(slot.state_size));
    let units = vectors(padded(slot.hidden_size));
    let widths = [(gates, vectors(padded(source))), (gates, states), (gates, units), (states, units)];
    let of = |width| Columns { buffer: BufferId(0), offset: 0, stride: width, width };
    let len = |(a, b): (u64, u64)| {
        let outer = Outer { a: of(a), b: of(b), rows, chunk: chunk(builder) };
        let counts = outer.parts(builder.limits).map(|part| part.count());
        product(&[counts.max().unwrap_or(0), outer.len()])
    };
    widths.map(len).to_vec()
}

/// Rows of a partial sum.
fn chunk(builder: &Builder<'_>) -> u64 {
    builder.cut.chunk(builder.workload.batch as u64)
}

/// The gradients by all pre-activations of a direction in a segment.
pub fn gates_of(builder: &Builder<'_>, arrays: &Arrays<'_>, slot: &SlotSpec, segment: usize) -> Columns {
    let own = columns(slot, true);
    let (count, first) = match builder.cut.shares_gates {
        true => (builder.network.direction_count() as u64, slot.direction as u64),
        false => (1, 0),
    };
    let buffer = arrays.gates_back(builder, slot.layer, slot.direction, segment);
    Columns { buffer, offset: first * own, stride: count * own, width: own }
}

/// A tensor whose rows are gates of units.
struct Matrix<'a> {
    slot: &'a SlotSpec,
    kind: TensorKind,
    /// The bias beside it.
    bias: Option<TensorKind>,
    rows: Range<usize>,
    columns: Range<usize>,
    gates: u32,
    adds: bool,
}

impl Matrix<'_> {
    fn dispatches(
        self,
        builder: &Builder<'_>,
        gradients: &GradientArrays,
        outer: &Outer,
    ) -> Result<Vec<Dispatch>> {
        let slot = self.slot;
        let is_projection = self.kind == TensorKind::WeightHr;
        let numbers = if is_projection { 1 } else { gate_numbers(&slot.cell, true) };
        let mut dispatches = Vec::new();
        // The order in which segments come on the way back.
        let from_last = !slot.is_reverse;
        let mut parts: Vec<_> = outer.parts(builder.limits).collect();
        if from_last {
            parts.reverse();
        }
        for (index, part) in parts.into_iter().enumerate() {
            dispatches.push(part.dispatch(builder.maker(), gradients.partial)?);
            let weight = Reduction {
                slot: slot.index,
                kind: self.kind,
                rows: self.rows.clone(),
                columns: self.columns.clone(),
                units: if is_projection { slot.state_size } else { slot.hidden_size } as u64,
                partial: gradients.partial,
                offset: 0,
                count: part.count(),
                stride: part.len(),
                from_last,
                unit_stride: numbers * part.row(),
                gate_stride: part.row(),
                gates: self.gates,
                adds: self.adds || index > 0,
            };
            dispatches.extend(weight.dispatches(builder.maker(), &gradients.flat)?);
            if let Some(kind) = self.bias {
                let rows = weight.rows.clone();
                let bias = Reduction { kind, rows, columns: 0..1, offset: part.sum_column(), ..weight };
                dispatches.extend(bias.dispatches(builder.maker(), &gradients.flat)?);
            }
        }
        Ok(dispatches)
    }
}

/// By `weight_ih` and `bias_ih`.
pub fn input(
    builder: &Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    slot: &SlotSpec,
    segment: usize,
) -> Result<Vec<Dispatch>> {
    let rows = builder.cut.segments[segment].steps * builder.workload.batch as u64;
    let (_, width) = sources(builder.network, slot.layer);
    let mut dispatches = Vec::new();
    for (index, source) in arrays.sources(builder, slot.layer).iter().enumerate() {
        let b = Columns {
            buffer: source.segments[segment],
            offset: source.offset,
            stride: source.depth,
            width: source.depth,
        };
        let outer = Outer { a: gates_of(builder, arrays, slot, segment), b, rows, chunk: chunk(builder) };
        let matrix = Matrix {
            slot,
            kind: TensorKind::WeightIh,
            bias: (index == 0 && !slot.cell.layer_norm).then_some(TensorKind::BiasIh),
            rows: 0..slot.gate_rows(),
            columns: index * width..(index + 1) * width,
            gates: GATES_IN_ORDER,
            adds: adds(builder, slot, segment),
        };
        dispatches.extend(matrix.dispatches(builder, gradients, &outer)?);
    }
    Ok(dispatches)
}

/// By `weight_hh`, `bias_hh` and `weight_hr`.
pub fn recurrent(
    builder: &Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    group: usize,
    segment: usize,
) -> Result<Vec<Dispatch>> {
    let own = &gradients.groups[group];
    let group = &arrays.groups[group];
    let time = builder.cut.segments[segment];
    let (rows, chunk) = (time.steps * builder.workload.batch as u64, chunk(builder));
    let mut dispatches = Vec::new();
    for (direction, slot) in (0..).zip(group.slots) {
        let a = match arrays.recurrent_back(group, segment) {
            // The gradient by the recurrent product, before its normalisation.
            Some(buffer) => {
                let units = slot.hidden_size as u64;
                Columns { buffer, offset: 0, stride: units, width: units }
            }
            None => gates_of(builder, arrays, slot, segment),
        };
        let states = states_before(builder, group, slot, direction, segment);
        let units = vectors(padded(slot.hidden_size));
        let operands = own.m.as_ref().map(|m| {
            let offset = direction * rows * units;
            Columns { buffer: m[segment], offset, stride: units, width: units }
        });
        let all = 0..slot.gate_rows();
        let matrix = |rows, gates| Matrix {
            slot,
            kind: TensorKind::WeightHh,
            bias: (!slot.cell.layer_norm).then_some(TensorKind::BiasHh),
            rows,
            columns: 0..slot.state_size,
            gates,
            adds: adds(builder, slot, segment),
        };
        match (slot.cell.cell, slot.cell.gru_reset, operands) {
            (Cell::Gru, Reset::Before, Some(b)) => {
                let (reset, candidate) = (0..2 * slot.hidden_size, 2 * slot.hidden_size..all.end);
                let outer = Outer { a, b: states, rows, chunk };
                dispatches.extend(matrix(reset, GATES_IN_ORDER).dispatches(builder, gradients, &outer)?);
                let outer = Outer { a, b, rows, chunk };
                // The third of a unit's numbers.
                dispatches.extend(matrix(candidate, 2).dispatches(builder, gradients, &outer)?);
            }
            (cell, _, operands) => {
                let gates = if cell == Cell::Gru { GATES_OF_PRODUCT } else { GATES_IN_ORDER };
                let outer = Outer { a, b: states, rows, chunk };
                dispatches.extend(matrix(all, gates).dispatches(builder, gradients, &outer)?);
                if let (Some(b), Some(projected)) = (operands, &own.projected) {
                    let width = vectors(padded(slot.state_size));
                    let offset = direction * rows * width;
                    let a = Columns { buffer: projected[segment], offset, stride: width, width };
                    let projection = Matrix {
                        kind: TensorKind::WeightHr,
                        bias: None,
                        rows: 0..slot.state_size,
                        columns: 0..slot.hidden_size,
                        ..matrix(0..0, GATES_IN_ORDER)
                    };
                    let outer = Outer { a, b, rows, chunk };
                    dispatches.extend(projection.dispatches(builder, gradients, &outer)?);
                }
            }
        }
    }
    Ok(dispatches)
}

/// By peepholes and learned states, once all steps of a group are done: sums over the batch.
pub fn of_batch(
    builder: &Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    group: usize,
) -> Result<Vec<Dispatch>> {
    let own = &gradients.groups[group];
    let batch = builder.workload.batch as u64;
    let mut dispatches = Vec::new();
    for (direction, slot) in (0..).zip(arrays.groups[group].slots) {
        let (units, states) = (slot.hidden_size as u64, padded(slot.state_size));
        let sum = |kind, len: usize, offset: u64, stride: u64| Reduction {
            slot: slot.index,
            kind,
            rows: 0..len,
            columns: 0..1,
            units: len as u64,
            partial: own.carry,
            offset: offset + direction * batch * stride,
            count: batch,
            stride,
            from_last: false,
            unit_stride: 1,
            gate_stride: 0,
            gates: GATES_IN_ORDER,
            adds: false,
        };
        // Sums over time, the gates of a tensor one after the other.
        let over_time = |kind, gates: usize, first: u64| Reduction {
            units,
            gate_stride: own.places.sum_len,
            ..sum(kind, gates * slot.hidden_size, own.places.sums + first * own.places.sum_len, units)
        };
        let mut reductions = Vec::new();
        if slot.cell.layer_norm {
            // All that is added to the gates has the same gradient.
            for kind in
                [TensorKind::BiasIh, TensorKind::BiasHh, TensorKind::NormIhBias, TensorKind::NormHhBias]
            {
                reductions.push(over_time(kind, 4, 0));
            }
            reductions.extend([
                over_time(TensorKind::NormIhWeight, 4, 4),
                over_time(TensorKind::NormHhWeight, 4, 8),
                over_time(TensorKind::NormCWeight, 1, 12),
                over_time(TensorKind::NormCBias, 1, 13),
            ]);
        }
        let first = if slot.cell.layer_norm { NORM_SUMS } else { 0 };
        reductions.push(over_time(TensorKind::Peephole, 3, first));
        let learned_h = sum(TensorKind::InitialH, slot.state_size, 0, states);
        let learned_c = sum(TensorKind::InitialC, slot.cell_state_size(), own.places.cells, units);
        reductions.extend([learned_h, learned_c]);
        for reduction in reductions {
            dispatches.extend(reduction.dispatches(builder.maker(), &gradients.flat)?);
        }
    }
    Ok(dispatches)
}

/// h of a direction, before each step of a segment.
pub fn states_before(
    builder: &Builder<'_>,
    group: &Group<'_>,
    slot: &SlotSpec,
    direction: u64,
    segment: usize,
) -> Columns {
    let width = vectors(padded(slot.state_size));
    let before = KeptSteps::new(slot, 0).before * builder.workload.batch as u64 * width;
    let offset = direction * vectors(group.direction_output[segment]) + before;
    Columns { buffer: group.output[segment], offset, stride: width, width }
}

/// True but for the segment that comes first on the way back.
fn adds(builder: &Builder<'_>, slot: &SlotSpec, segment: usize) -> bool {
    let last = builder.cut.segments.len() - 1;
    segment != if slot.is_reverse { 0 } else { last }
}
