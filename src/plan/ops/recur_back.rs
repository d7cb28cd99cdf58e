//! The time steps of a group of directions on the way back: a pass of their own, with one dispatch per phase
//! and step.

use crate::Result;
use crate::kernel::{Kernel, Run, Tile};
use crate::network::{Back, Dtype, Equation, Merge, Operand, Product};
use crate::plan::arrays::{Arrays, Group};
use crate::plan::back_product::BackProduct;
use crate::plan::buffers::Binding;
use crate::plan::builder::Builder;
use crate::plan::dims::{BackDims, Dims};
use crate::plan::dispatch::{Dispatch, Gives};
use crate::plan::gradient_arrays::{
    GradientArrays, GroupGradients, cells_beside, cells_start, has_own_cells, vectors,
};
use crate::plan::ops::{again, outers, recur};
use crate::plan::schedule::sequence_workgroup;
use crate::plan::weights::{WeightPart, columns};
use crate::plan::{FOUR, padded, product};

pub fn backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    group: usize,
    segment: usize,
) -> Result<()> {
    let (index, own, group) = (group, &gradients.groups[group], &arrays.groups[group]);
    let slot = group.slot();
    let segments: Vec<usize> = group.order(builder.cut.segments.len()).rev().collect();
    let time = builder.cut.segments[segment];
    // The gradients of the segment before on the way back, in this segment's border.
    if let Some(before) =
        segments.iter().position(|&one| one == segment).and_then(|place| place.checked_sub(1))
    {
        let from = segments[before];
        let from_step = if slot.is_reverse { builder.cut.segments[from].steps - 1 } else { 0 };
        // The rows of the recurrent product's gradient.
        let gates = |segment: usize| match arrays.recurrent_back(group, segment) {
            Some(own) => own,
            None => arrays.gates_back(builder, slot.layer, slot.direction, segment),
        };
        let copy = [(gates(from), from_step), (gates(segment), time.steps)];
        let width = FOUR * columns(slot, true);
        let border = recur::carry_step(builder, copy, width, builder.workload.dtype)?;
        builder.walk.once(format!("layer {} border back", slot.layer), vec![border]);
    }
    again::gates(builder, arrays, gradients, index, segment)?;
    let steps = BackSteps { arrays, gradients, group, own, segment };
    let phases = Back::of(&slot.cell);
    let mut dispatches = Vec::new();
    for &phase in &phases {
        dispatches.extend(steps.dispatches(builder, phase, false)?);
    }
    let is_paired = group.is_paired();
    let way = if is_paired { "both" } else { ["forward", "reverse"][usize::from(slot.is_reverse)] };
    let label = format!("layer {} {way} back", slot.layer);
    let first = BackProduct::of(builder, group.slots, phases[0], false)?;
    let in_one = first.filter(|made| made.kernel.is_sequence());
    let at_once = in_one.map(|made| made.steps_in_one(builder.limits));
    let order = (is_paired || !slot.is_reverse, is_paired);
    builder.walk.steps(&label, dispatches, time, order, at_once);
    let is_last = segments.last() == Some(&segment);
    if is_last {
        let end = steps.dispatches(builder, phases[0], true)?;
        let at = if slot.is_reverse && !is_paired { time.steps - 1 } else { 0 };
        builder.walk.one_step(&format!("layer {} {way} start", slot.layer), end, time, at, is_paired);
    }
    let mut sums = outers::recurrent(builder, arrays, gradients, index, segment)?;
    if is_last {
        sums.extend(outers::of_batch(builder, arrays, gradients, index)?);
    }
    let label = format!("layer {} weight_hh", slot.layer);
    builder.walk.giving(label, sums, Gives::Weights(slot.layer));
    Ok(())
}

/// The arrays of a group's steps in a segment.
struct BackSteps<'a> {
    arrays: &'a Arrays<'a>,
    gradients: &'a GradientArrays,
    group: &'a Group<'a>,
    own: &'a GroupGradients,
    segment: usize,
}

impl BackSteps<'_> {
    /// A phase of a time step; with `ends`, its product alone, after all time steps. Where K is in parts,
    /// their sums are added by a dispatch of its own, which has the same arrays and the formula.
    fn dispatches(&self, builder: &mut Builder<'_>, phase: Back, ends: bool) -> Result<Vec<Dispatch>> {
        let (group, own, segment) = (self.group, self.own, self.segment);
        let (network, workload, slot) = (builder.network, builder.workload, group.slot());
        let (row, cell) = (phase.row(), &slot.cell);
        let made = BackProduct::of(builder, group.slots, phase, ends)?;
        let time = builder.cut.segments[segment];
        let (directions, batch) = (group.slots.len() as u64, workload.batch as u64);
        let (units, depth) = match &made {
            Some(made) => (made.units, made.shape.depth),
            None => (slot.hidden_size as u64, 0),
        };
        recur::check_depth(builder, depth)?;
        let weight =
            row.product.map(|of| builder.weight(group.slots, WeightPart::Transposed(of))).transpose()?;
        let gates_columns = columns(slot, true);
        // A layer-normalised cell's product has the recurrent product's gradient, and its update both.
        let has_recurrent = phase == Back::Projection && cell.layer_norm;
        let (count, first) = match builder.cut.shares_gates && !has_recurrent {
            true => (network.direction_count() as u64, slot.direction as u64),
            false => (1, 0),
        };
        let own_gates = self.arrays.gates_back(builder, slot.layer, slot.direction, segment);
        let recurrent = self.arrays.recurrent_back(group, segment);
        let gates = recurrent.filter(|_| has_recurrent).unwrap_or(own_gates);
        let states = padded(slot.state_size);
        let (hidden, rows) = (padded(slot.hidden_size), time.steps * batch);
        // The operand that this phase leaves for a weight's gradient, or for the next phase.
        let m_row = if phase == Back::Projection { states } else { hidden };
        let a_row = if row.operand == Operand::Projected { states } else { hidden };
        let is_projected = row.operand == Operand::Projected;
        let (mut parameters, mut direction_parameters) = (None, 0);
        let equation = if cell.layer_norm { Equation::LstmNorm } else { Equation::Lstm };
        if cell.peepholes || cell.layer_norm {
            let own = builder.weight(group.slots, WeightPart::Parameters(equation))?;
            let vectors = equation.parameters(cell) as u64 * FOUR;
            (parameters, direction_parameters) = (Some(own.binding), own.direction / vectors);
        }
        // An array that a kernel does not read is bound to one that it reads.
        let read = weight.map(|weight| weight.binding).or(parameters);
        let unread = read.expect("a phase has a product, or the parameters of a normalisation");
        let given = self.gradients.by_direction(builder, slot);
        let has_cells = slot.layer + 1 == network.num_layers && workload.outputs.cell_states;
        let (cells_at, cells_stride, cells_offset) = match has_own_cells(slot) {
            true => {
                let width = if cell.layer_norm { hidden } else { states };
                (product(&[directions, rows, width]), directions * slot.hidden_size as u64, 0)
            }
            false if network.merge == Merge::Multiply => {
                (cells_start(builder, time.steps), slot.hidden_size as u64, 0)
            }
            false => (
                cells_start(builder, time.steps),
                cells_beside(builder),
                (slot.direction * slot.hidden_size) as u64,
            ),
        };
        // The gradient by c of a call that gives no output of every step stands alone.
        let factor = self.gradients.factors[slot.layer].as_ref().map(|both| both[slot.direction][segment]);
        let by_output = factor.or(self.gradients.by_output(slot.layer).map(|by| by[segment]));
        let over_time = |buffers: &Option<Vec<_>>| buffers.as_ref().map(|buffers| buffers[segment]);
        let mut gradient =
            given.as_ref().map(|given| given.segments[segment]).or(by_output.filter(|_| has_cells));
        let mut gradient_rows = given.as_ref().map_or((0, 0), |given| (given.stride, given.offset));
        if phase == Back::Norm {
            (gradient, gradient_rows) = (over_time(&own.by_m), (hidden, 0));
        }
        let dims = Dims::Back(BackDims {
            batch: batch as u32,
            units: units as u32,
            depth: depth as u32,
            first_step: time.first as u32,
            border: time.steps as u32,
            gates_stride: (count * gates_columns) as u32,
            gates_offset: (first * gates_columns) as u32,
            direction_gates: gates_columns as u32,
            direction_weight: weight.map_or(0, |weight| weight.direction / FOUR) as u32,
            direction_parameters: direction_parameters as u32,
            states_stride: if cell.cell.has_cell_state() { slot.hidden_size as u64 } else { states } as u32,
            direction_states: match cell.cell.has_cell_state() {
                true => group.direction_cells[segment],
                false => group.direction_output[segment],
            } as u32,
            carry_stride: states as u32,
            carry_cells: own.places.cells as u32,
            carry_sums: own.places.sums as u32,
            sum_len: own.places.sum_len as u32,
            carry_parts: own.places.len as u32,
            gradient_stride: gradient_rows.0 as u32,
            gradient_offset: gradient_rows.1 as u32,
            direction_gradient: states as u32,
            cells_start: cells_at as u32,
            cells_stride: cells_stride as u32,
            cells_offset: cells_offset as u32,
            a_stride: vectors(a_row) as u32,
            direction_a: if is_projected { rows * vectors(a_row) } else { 0 } as u32,
            m_stride: m_row as u32,
            direction_m: (rows * m_row) as u32,
        });
        let or_unread = |buffer: Option<_>| buffer.map_or(unread, Binding::from);
        let a_next = match phase {
            Back::Projection => over_time(&own.projected).or(over_time(&own.by_m)),
            Back::Product => over_time(&own.by_m),
            _ => own.candidate,
        };
        let a = if is_projected { over_time(&own.projected) } else { own.candidate };
        let kept = match cell.cell.has_cell_state() {
            true => group.cell_state(segment),
            false => group.output[segment],
        };
        let bindings = [
            ("gates", gates.into()),
            ("recurrent", or_unread(recurrent)),
            ("b", unread),
            ("parameters", parameters.unwrap_or(unread)),
            ("a", or_unread(a)),
            ("lengths", or_unread(self.arrays.lengths)),
            ("states", kept.into()),
            ("carry", own.carry.into()),
            ("gradient", or_unread(gradient)),
            ("a_next", or_unread(a_next)),
            ("m", or_unread(over_time(&own.m))),
        ];
        let flag = |is_set: bool| f64::from(u8::from(is_set));
        let mut overrides = cell.options();
        overrides.extend([
            ("HAS_LENGTHS", flag(workload.has_lengths)),
            ("ENDS", flag(ends)),
            ("HAS_GRADIENT", flag(given.is_some())),
            ("GRADIENT_SCALE", given.as_ref().map_or(1.0, |given| given.scale)),
            ("HAS_CELLS", flag(has_cells)),
            ("REVERSE", flag(!group.is_paired() && slot.is_reverse)),
            ("PAIRED", flag(group.is_paired())),
            ("A_OVER_TIME", flag(is_projected)),
            ("PARAMETERS", equation.parameters(cell) as f64),
            ("HAS_M", flag(cell.has_projection)),
            ("BACK", 1.0),
        ]);
        if let Some(BackProduct { shape, .. }) = made.as_ref().filter(|made| made.kernel.is_sequence()) {
            let columns = shape.columns / directions;
            let workgroup = sequence_workgroup(columns, builder.limits);
            overrides.push(("WORKGROUP", workgroup as f64));
            overrides.push(("TURNS", columns.div_ceil(workgroup) as f64));
        }
        let one = |kernel: Kernel, tile: Tile, columns: u64, flops: u64, numbers: u64| {
            let mut dispatch = builder.maker().dispatch(kernel, tile, (batch, columns), dims, &bindings)?;
            dispatch.directions = directions;
            dispatch.shape = made.as_ref().map(|made| made.shape);
            dispatch.flops = flops;
            dispatch.bytes = product(&[Dtype::F32.bytes(), directions, numbers]);
            dispatch.overrides = kernel.overrides(tile, overrides.clone());
            Ok(dispatch)
        };
        let of_formula = product(&[batch, 4 * FOUR * gates_columns]);
        let (Some(BackProduct { kernel, tile, shape, .. }), Some(of)) = (&made, row.product) else {
            // A workgroup has all units of a kernel without a product.
            let kernel = Kernel::Back { phase, is_wide: false, run: Run::Step };
            return Ok(vec![one(kernel, Tile::ALL[0], 1, 0, of_formula)?]);
        };
        let (kernel, tile, columns) = (*kernel, *tile, shape.columns / directions);
        let flops = product(&[2, directions, batch, units, contracted(of, slot)]);
        let operands = product(&[units, FOUR, depth]).saturating_add(product(&[batch, FOUR * depth]));
        Ok(match kernel.sums(tile) {
            None => vec![one(kernel, tile, columns, flops, operands.saturating_add(of_formula))?],
            Some(sums) => {
                let of_parts = product(&[u64::from(tile.parts()), batch, units]);
                vec![
                    one(kernel, tile, columns, flops, operands.saturating_add(of_parts))?,
                    one(sums, Tile::ALL[0], columns, 0, of_parts.saturating_add(of_formula))?,
                ]
            }
        })
    }
}

/// K of a product on the way back, in numbers.
fn contracted(of: Product, slot: &crate::network::SlotSpec) -> u64 {
    match of {
        Product::Recurrent { gates, .. } => (gates * slot.hidden_size) as u64,
        Product::Projection => slot.state_size as u64,
    }
}
