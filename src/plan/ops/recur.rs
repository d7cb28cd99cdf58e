//! The time steps of a group of directions: a pass of their own, with one dispatch per phase and step, or one
//! dispatch for many steps.

use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Dtype, Product};
use crate::plan::arrays::{Arrays, Group, KeptSteps};
use crate::plan::buffers::{Binding, BufferId};
use crate::plan::builder::Builder;
use crate::plan::cost::Shape;
use crate::plan::dims::{CarryDims, Dims, NormDims, StepDims};
use crate::plan::dispatch::Dispatch;
use crate::plan::gemm::{Gemm, Source, Target};
use crate::plan::schedule::{MAX_TURNS, Schedule, sequence_steps, sequence_tile, sequence_workgroup};
use crate::plan::steps::{Bound, Phase, phases};
use crate::plan::weights::{WeightPart, columns, depth, gate_numbers};
use crate::plan::{FOUR, padded, product, tiles};
use crate::{Error, Result};

pub fn forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, group: usize, segment: usize) -> Result<()> {
    let group = &arrays.groups[group];
    let slot = group.slot();
    if builder.workload.is_saved() {
        let borders = borders(builder, group, segment)?;
        builder.walk.once(format!("layer {} border", slot.layer), borders);
    }
    let mut dispatches = Vec::new();
    for phase in phases(&slot.cell, builder.choice.schedule, builder.workload.saves) {
        dispatches.extend(step(builder, arrays, group, &phase, segment)?);
    }
    let is_paired = group.is_paired();
    let reverse = !is_paired && slot.is_reverse;
    let way = if is_paired { "both" } else { ["forward", "reverse"][usize::from(reverse)] };
    let at_once = (builder.choice.schedule == Schedule::Sequence)
        .then(|| sequence_steps(slot, dispatches[0].tile, builder.limits));
    let label = format!("layer {} {way}", slot.layer);
    let time = builder.cut.segments[segment];
    builder.walk.steps(&label, dispatches, time, (reverse, is_paired), at_once);
    Ok(())
}

/// The states that a segment of a saved call starts from, out of the segment before.
fn borders(builder: &Builder<'_>, group: &Group<'_>, segment: usize) -> Result<Vec<Dispatch>> {
    let order: Vec<usize> = group.order(builder.cut.segments.len()).collect();
    let Some(before) = order.iter().position(|&one| one == segment).and_then(|place| place.checked_sub(1))
    else {
        return Ok(Vec::new());
    };
    let (slot, from) = (group.slot(), order[before]);
    let last = KeptSteps::new(slot, builder.cut.segments[from].steps).last;
    let first = KeptSteps::new(slot, builder.cut.segments[segment].steps).first;
    let dtype = builder.workload.dtype;
    let h = carry_step(
        builder,
        [(group.output[from], last), (group.output[segment], first)],
        padded(slot.state_size),
        dtype,
    )?;
    let mut dispatches = vec![h];
    if slot.cell.cell.has_cell_state() {
        let cells = [(group.cell_state(from), last), (group.cell_state(segment), first)];
        dispatches.push(carry_step(builder, cells, slot.hidden_size as u64, Dtype::F32)?);
    }
    Ok(dispatches)
}

/// Copies a step `[N, width]` from one array over time to another.
pub fn carry_step(
    builder: &Builder<'_>,
    [(from, from_step), (to, to_step)]: [(BufferId, u64); 2],
    width: u64,
    dtype: Dtype,
) -> Result<Dispatch> {
    let batch = builder.workload.batch as u64;
    let place = |step: u64| (step * batch * width) as u32;
    let dims = Dims::Carry(CarryDims {
        rows: batch as u32,
        batch: batch as u32,
        width: width as u32,
        used: width as u32,
        from_offset: place(from_step),
        from_step: 0,
        from_row: width as u32,
        to_offset: place(to_step),
        to_step: 0,
        to_row: width as u32,
        first_step: 0,
        first_place: 0,
    });
    let kernel = Kernel::Carry { from: dtype, to: dtype, blanks: false };
    let groups = product(&[batch, width]).div_ceil(u64::from(WORKGROUP));
    let arrays = [("source", from.into()), ("into", to.into())];
    let mut dispatch = builder.maker().dispatch(kernel, Tile::ALL[0], (groups, 1), dims, &arrays)?;
    dispatch.overrides = kernel.overrides(Tile::ALL[0], vec![("ADDS", 0.0)]);
    Ok(dispatch)
}

/// The dispatches of one phase of a time step.
fn step(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    group: &Group<'_>,
    phase: &Phase,
    segment: usize,
) -> Result<Vec<Dispatch>> {
    let slot = group.slot();
    let a = if phase.index == 0 { group.hidden[0] } else { group.scratch[phase.index - 1] };
    let a_next = if phase.is_last { group.hidden[1] } else { group.scratch[phase.index] };
    let steps = Steps::new(builder, arrays, group, phase, segment);
    let mut dispatch = match (phase.kernel, phase.equation.product()) {
        (Kernel::Gemm, Some(of)) => {
            let gemm = Gemm {
                sources: vec![Source::whole(a, 0, depth(of, slot))],
                weight: builder.weight(group.slots, WeightPart::Product(of))?,
                depth: None,
                weight_offset: 0,
                adds: false,
                bias: None,
                into: Target::whole(a_next),
                rows: steps.batch,
                columns: slot.hidden_size as u64,
                directions: 1,
                segment: None,
            };
            check_depth(builder, depth(of, slot))?;
            return gemm.dispatches(builder.maker());
        }
        (_, Some(of)) => steps.product(builder, of, [a.into(), a_next.into()])?,
        (_, None) => steps.norm(builder, [a.into(), a_next.into()])?,
    };
    if phase.alternates {
        let mut odd = dispatch.bindings.clone();
        let place = |name: &str| phase.kernel.arrays().iter().position(|array| array.name == name);
        if let (Some(a), Some(a_next)) = (place("a"), place("a_next")) {
            odd.swap(a, a_next);
        }
        dispatch.odd = Some(odd);
    }
    Ok(vec![dispatch])
}

/// Refuses a product of a time step whose K is too long: such a product is not cut into pieces.
pub fn check_depth(builder: &Builder<'_>, depth: u64) -> Result<()> {
    if depth <= MAX_TURNS {
        return Ok(());
    }
    let what = format!("the product of a time step of {}", builder.buffers.title());
    let (needed, limit) = (FOUR * depth, FOUR * MAX_TURNS);
    Err(Error::TooLarge { what, needed, limit, unit: "numbers in a row", holder: "a dispatch" })
}

/// The arrays and sizes that all kernels of a time step have.
struct Steps<'a> {
    group: &'a Group<'a>,
    phase: &'a Phase,
    batch: u64,
    /// Units in a row of the input's gates, and in one direction's part of it.
    input_stride: u64,
    direction_input: u64,
    input_offset: u64,
    stride: u64,
    cells: u64,
    first_step: u64,
    direction_output: u64,
    direction_cells: u64,
    saves: bool,
    input_gates: Binding,
    lengths: Option<Binding>,
    output: Binding,
    cell_state: Binding,
    /// The array of a saved call of a layer-normalised cell; another array elsewhere.
    recurrent: Binding,
}

impl<'a> Steps<'a> {
    fn new(
        builder: &Builder<'_>,
        arrays: &Arrays<'_>,
        group: &'a Group<'a>,
        phase: &'a Phase,
        segment: usize,
    ) -> Steps<'a> {
        let slot = group.slot();
        let keeps_gates = builder.workload.keeps_gates();
        let gates = gate_numbers(&slot.cell, keeps_gates);
        let time = builder.cut.segments[segment];
        let batch = builder.workload.batch as u64;
        let direction_input = FOUR * columns(slot, keeps_gates) / gates;
        // The directions whose gates lie in a row, and this group's place among them.
        let (first, count) = match builder.cut.shares_gates {
            true => (0, builder.network.direction_count() as u64),
            false => (slot.direction as u64, 1),
        };
        let state = if group.keeps_steps { padded(slot.state_size) } else { 0 };
        Steps {
            group,
            phase,
            batch,
            input_stride: count * direction_input,
            direction_input,
            input_offset: (slot.direction as u64 - first) * direction_input,
            stride: FOUR * phase.result_depth(slot),
            cells: product(&[time.steps, batch, state]),
            first_step: time.first,
            direction_output: group.direction_output[segment],
            input_gates: arrays.gates(builder, slot.layer, slot.direction, segment).into(),
            lengths: arrays.lengths.map(Binding::from),
            output: group.output[segment].into(),
            cell_state: group.cell_state(segment).into(),
            recurrent: group.recurrent.get(segment).copied().unwrap_or(group.output[segment]).into(),
            direction_cells: group.direction_cells.get(segment).copied().unwrap_or(0),
            saves: builder.workload.is_saved(),
        }
    }

    fn overrides(&self, tile: Tile, more: Vec<(&'static str, f64)>) -> Vec<(&'static str, f64)> {
        let bound = Bound {
            has_lengths: self.lengths.is_some(),
            is_paired: self.group.is_paired(),
            keeps_steps: self.group.keeps_steps,
            keeps_cells: self.group.keeps_cells,
            saves: self.saves,
            is_reverse: !self.group.is_paired() && self.group.slot().is_reverse,
        };
        let mut overrides = self.phase.overrides(&self.group.slot().cell, &bound);
        overrides.extend(more);
        self.phase.kernel.overrides(tile, overrides)
    }

    /// A product and the formula over it.
    fn product(&self, builder: &mut Builder<'_>, of: Product, [a, a_next]: [Binding; 2]) -> Result<Dispatch> {
        let (group, phase, slot) = (self.group, self.phase, self.group.slot());
        let (workload, limits) = (builder.workload, builder.limits);
        let (units, depth, width) = (phase.units(slot), depth(of, slot), of.width() as u64);
        check_depth(builder, depth)?;
        let directions = group.slots.len() as u64;
        let weight = builder.weight(group.slots, WeightPart::Product(of))?;
        let mut direction_parameters = 0;
        // An array that a kernel does not read is bound to one that it reads.
        let mut parameters = weight.binding;
        let vectors = phase.equation.parameters(&slot.cell) as u64;
        if vectors > 0 {
            let own = builder.weight(group.slots, WeightPart::Parameters(phase.equation))?;
            direction_parameters = own.direction / (vectors * width);
            parameters = own.binding;
        }
        let dims = Dims::Step(StepDims {
            batch: self.batch as u32,
            units: units as u32,
            depth: depth as u32,
            input_stride: self.input_stride as u32,
            input_offset: self.input_offset as u32,
            stride: self.stride as u32,
            cells: self.cells as u32,
            first_step: self.first_step as u32,
            direction_input: self.direction_input as u32,
            direction_weight: (weight.direction / (FOUR * width)) as u32,
            direction_parameters: direction_parameters as u32,
            direction_output: self.direction_output as u32,
            direction_cells: self.direction_cells as u32,
        });
        let in_one = phase.kernel.is_sequence();
        let shape = Shape {
            rows: self.batch,
            columns: directions * units,
            directions,
            depth,
            steps: 1,
            dtype: workload.dtype,
        };
        let tile = match in_one {
            // The schedule was chosen because there is one.
            true => sequence_tile(slot, group.is_paired(), workload, limits).unwrap_or(Tile::ALL[0]),
            false => {
                // The tile follows the layer's directions, not this dispatch's: every schedule has the same.
                let all = builder.network.direction_count() as u64;
                let shape = Shape { columns: all.saturating_mul(units), directions: all, ..shape };
                tiles::tile(phase.kernel, &shape, &workload.tuning, limits)?
            }
        };
        let arrays = [
            ("input_gates", self.input_gates),
            ("b", weight.binding),
            ("parameters", parameters),
            ("a", if in_one { weight.binding } else { a }),
            ("lengths", self.lengths.unwrap_or(weight.binding)),
            ("a_next", a_next),
            ("output", self.output),
            ("cell_state", self.cell_state),
        ];
        let mut dispatch =
            builder.maker().dispatch(phase.kernel, tile, (self.batch, units), dims, &arrays)?;
        let row = product(&[FOUR, depth, width]);
        dispatch.directions = directions;
        dispatch.shape = Some(shape);
        dispatch.flops =
            product(&[2, directions, self.batch, units, of.width() as u64, contracted(of, self)]);
        let numbers =
            product(&[units, row]).saturating_add(product(&[self.batch, units * width + 4 * FOUR * depth]));
        dispatch.bytes = product(&[workload.dtype.bytes(), directions, numbers]);
        let mut more = Vec::new();
        if in_one {
            let workgroup = sequence_workgroup(units, limits);
            let vectors = u64::from(tile.rows) * depth;
            let reverse = !group.is_paired() && slot.is_reverse;
            more = vec![
                ("WORKGROUP", workgroup as f64),
                ("TURNS", units.div_ceil(workgroup) as f64),
                ("DEPTH", depth as f64),
                ("STATE_VECTORS", vectors as f64),
                ("STATE_NUMBERS", (vectors * FOUR) as f64),
                ("REVERSE", f64::from(u8::from(reverse))),
            ];
        }
        dispatch.overrides = self.overrides(tile, more);
        Ok(dispatch)
    }

    /// The update of a layer-normalised cell, once its product is computed: one workgroup per row.
    fn norm(&self, builder: &mut Builder<'_>, [recurrent_gates, a_next]: [Binding; 2]) -> Result<Dispatch> {
        let (group, phase, slot) = (self.group, self.phase, self.group.slot());
        let units = slot.hidden_size as u64;
        let parameters = builder.weight(group.slots, WeightPart::Parameters(phase.equation))?.binding;
        let dims = Dims::Norm(NormDims {
            batch: self.batch as u32,
            units: units as u32,
            input_stride: self.input_stride as u32,
            input_offset: self.input_offset as u32,
            sums_stride: units as u32,
            stride: self.stride as u32,
            cells: self.cells as u32,
            first_step: self.first_step as u32,
        });
        let arrays = [
            ("input_gates", self.input_gates),
            ("recurrent_gates", recurrent_gates),
            ("parameters", parameters),
            ("lengths", self.lengths.unwrap_or(parameters)),
            ("a_next", a_next),
            ("output", self.output),
            ("cell_state", self.cell_state),
            ("recurrent", self.recurrent),
        ];
        let tile = Tile::ALL[0];
        let mut dispatch = builder.maker().dispatch(phase.kernel, tile, (self.batch, 1), dims, &arrays)?;
        let gates = slot.cell.cell.gates() as u64;
        dispatch.bytes = product(&[builder.workload.dtype.bytes(), self.batch, units, 4 * gates + 3]);
        dispatch.overrides = self.overrides(tile, Vec::new());
        Ok(dispatch)
    }
}

/// K of a product, in numbers.
fn contracted(of: Product, steps: &Steps<'_>) -> u64 {
    let slot = steps.group.slot();
    match of {
        Product::Recurrent { first: 0, .. } => slot.state_size as u64,
        Product::Recurrent { .. } | Product::Projection => slot.hidden_size as u64,
    }
}
