//! The schedules, and the choice of one.

use super::back_product::BackProduct;
use super::buffers::binding_bytes;
use super::cost::{self, Shape};
use super::cut::{Cut, output_row};
use super::steps::phases;
use super::weights::{WeightPart, depth, fit_together};
use super::{FOUR, Limits, Workload, padded, product, tiles};
use crate::kernel::{Kernel, Read, Tile};
use crate::network::{Back, Cell, Dtype, Equation, Network, Product, SlotSpec};
use crate::{Error, Result};

/// Invocations of a workgroup that has all units: whole blocks of them, and no more than is sure to be had.
const LANES: u64 = 32;
const MAX_WORKGROUP: u32 = 256;

/// The most turns of all loops of an invocation, where loops in loops may add a quarter: lavapipe ends the
/// loops, silently, after 65,535 turns. The files of `multiply/` take a vector of k to be below 65,536.
pub(super) const MAX_TURNS: u64 = 32_768;

/// The way that the time steps of a layer become dispatches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Schedule {
    /// One pass per direction with one dispatch per step (or more, where a product waits for another
    /// product).
    Stepwise,
    /// One pass for both directions, with one dispatch per step of both, from both ends of the sequence: half
    /// as many dispatches and barriers, with twice the work in each. For two directions of the same
    /// activations that are neither merged by number nor normalised over the layer nor added to, and arrays
    /// that fit into bindings whole.
    Paired,
    /// One dispatch for many steps, of both directions where `Paired` is possible. A workgroup computes all
    /// units of some batch rows and holds the rows' state in its own memory, so that invocations wait between
    /// steps for their own workgroup alone. For networks whose time steps are one dispatch each in the other
    /// schedules, and whose rows fit into a workgroup's memory.
    Sequence,
}

impl Schedule {
    /// Every schedule.
    pub const ALL: [Schedule; 3] = [Schedule::Stepwise, Schedule::Paired, Schedule::Sequence];

    /// The name in plans.
    pub const fn name(self) -> &'static str {
        match self {
            Schedule::Stepwise => "stepwise",
            Schedule::Paired => "paired",
            Schedule::Sequence => "sequence",
        }
    }
}

impl std::str::FromStr for Schedule {
    type Err = Error;

    /// From its name, as plans show it.
    fn from_str(name: &str) -> Result<Schedule> {
        Schedule::ALL.into_iter().find(|schedule| schedule.name() == name).ok_or_else(|| {
            let (expected, found) = (Schedule::ALL.map(Schedule::name).join(", "), name.into());
            Error::Text { name: "schedule", expected, found }
        })
    }
}

/// The schedule of a plan, and whether both directions of a layer are computed at once.
pub(super) struct Choice {
    pub schedule: Schedule,
    pub is_paired: bool,
}

/// The schedule that the tuning asks for, if this network can have the schedule, or the best.
pub(super) fn choose(network: &Network, workload: &Workload, limits: &Limits, cut: &Cut) -> Result<Choice> {
    let can_pair = can_pair(network, workload, limits, cut);
    let mut possible = vec![Schedule::Stepwise];
    if can_pair {
        possible.push(Schedule::Paired);
    }
    let in_sequence = |slots: &[SlotSpec]| sequence_tile(&slots[0], can_pair, workload, limits).is_some();
    if network.layers().all(in_sequence) {
        possible.push(Schedule::Sequence);
    }
    // The last one of equals, since it has the fewest dispatches.
    let seconds = |schedule| seconds(network, workload, limits, schedule, can_pair);
    let best = possible.iter().copied().fold(Schedule::Stepwise, |best, schedule| {
        if seconds(schedule) <= seconds(best) { schedule } else { best }
    });
    let schedule = match (workload.tuning.schedule, workload.tuning.step) {
        (Some(asked), step) if !possible.contains(&asked) => {
            let has = |tile: &Tile| {
                let mut layers = network.layers().map(|slots| sequence_tiles(&slots[0], workload, limits));
                layers.all(|of_layer| of_layer.is_some_and(|(_, tiles)| tiles.contains(tile)))
            };
            let others: Vec<_> = Tile::ALL.into_iter().filter(has).map(|tile| tile.to_string()).collect();
            if let (Schedule::Sequence, Some(tile), false) = (asked, step, others.is_empty()) {
                let expected = format!("{} for a sequence of this network and size", others.join(", "));
                return Err(Error::Unsupported { name: "step tile", expected, found: tile.to_string() });
            }
            let names: Vec<_> = possible.iter().map(|schedule| schedule.name()).collect();
            let expected = format!("{} for this network and size", names.join(" or "));
            return Err(Error::Unsupported { name: "schedule", expected, found: asked.name().into() });
        }
        (asked, _) => asked.unwrap_or(best),
    };
    Ok(Choice { schedule, is_paired: can_pair && schedule != Schedule::Stepwise })
}

/// The estimated time of all time steps by a schedule: forward of the first product of each, and back of all
/// products, if the call is saved.
fn seconds(
    network: &Network,
    workload: &Workload,
    limits: &Limits,
    schedule: Schedule,
    can_pair: bool,
) -> f64 {
    let is_paired = can_pair && schedule != Schedule::Stepwise;
    let of_layer = |slots: &[SlotSpec]| {
        let slot = &slots[0];
        let phases = phases(&slot.cell, schedule, workload.saves);
        let Some((phase, of)) = phases.first().and_then(|phase| Some((phase, phase.equation.product()?)))
        else {
            return 0.0;
        };
        let (all, units) = (slots.len() as u64, phase.units(slot));
        let shape = Shape {
            rows: workload.batch as u64,
            columns: product(&[all, units]),
            directions: all,
            depth: depth(of, slot),
            steps: if schedule == Schedule::Sequence { workload.steps as u64 } else { 1 },
            dtype: workload.dtype,
        };
        // The tile follows both directions, in every schedule.
        let tile = match schedule {
            Schedule::Sequence => sequence_tile(slot, is_paired, workload, limits),
            _ => tiles::tile(phase.kernel, &shape, &workload.tuning, limits).ok(),
        };
        let at_once = if is_paired { all } else { 1 };
        let steps = match (schedule, tile) {
            (Schedule::Sequence, Some(tile)) => sequence_steps(slot, tile, limits).min(shape.steps),
            _ => 1,
        };
        let shape = Shape { columns: product(&[at_once, units]), directions: at_once, steps, ..shape };
        let dispatches = all / at_once * (workload.steps as u64).div_ceil(steps);
        let of_one = |tile| cost::of_product(phase.kernel, tile, &shape, limits).seconds;
        let back = Back::of(&slot.cell).into_iter().filter(|_| workload.is_saved()).map(|phase| {
            let together = if is_paired { slots } else { &slots[..1] };
            match BackProduct::by(schedule, network, workload, limits, together, phase, false) {
                Ok(Some(made)) => {
                    let steps = made.steps_in_one(limits).min(workload.steps as u64);
                    let shape = Shape { steps, ..made.shape };
                    let dispatches = all / at_once * (workload.steps as u64).div_ceil(steps);
                    dispatches as f64 * cost::seconds(made.kernel, made.tile, &shape, limits)
                }
                Ok(None) => 0.0,
                Err(_) => f64::INFINITY,
            }
        });
        dispatches as f64 * tile.map_or(f64::INFINITY, of_one) + back.sum::<f64>()
    };
    network.layers().map(of_layer).sum()
}

/// Both directions of a layer can be one dispatch.
fn can_pair(network: &Network, workload: &Workload, limits: &Limits, cut: &Cut) -> bool {
    let has_two = network.direction_count() == 2 && cut.is_whole() && cut.shares_gates;
    has_two
        && !network.merge.is_elementwise()
        && !network.residual
        && network.layers().all(|slots| {
            let [forward, reverse] = slots else { return false };
            let (steps, batch) = (workload.steps as u64, workload.batch as u64);
            let row = output_row(network, workload, forward);
            let more = u64::from(workload.is_saved());
            let row = row.max(if workload.is_saved() { forward.hidden_size as u64 } else { 0 });
            let bytes = if workload.is_saved() { Dtype::F32.bytes() } else { workload.dtype.bytes() };
            let output = product(&[2, steps + more, batch, row, bytes]);
            let weights = Cell::equations(&forward.cell).into_iter().filter_map(Equation::product);
            // One pipeline computes both directions, and sees the arrays of both.
            forward.cell == reverse.cell
                && !forward.cell.layer_norm
                && output.saturating_add(32) <= binding_bytes(limits, workload.dtype)
                && weights.into_iter().all(|product: Product| {
                    let len = WeightPart::Product(product).len(network, forward);
                    fit_together(network, limits, len, workload.dtype)
                })
        })
}

/// The kernel of all time steps of a layer in one dispatch, if there is one, and its tiles: a workgroup has
/// room for their rows' state, and an invocation for the weights.
fn sequence_tiles(slot: &SlotSpec, workload: &Workload, limits: &Limits) -> Option<(Kernel, Vec<Tile>)> {
    let phases = phases(&slot.cell, Schedule::Sequence, workload.saves);
    let [phase] = phases.as_slice() else { return None };
    if !phase.kernel.is_sequence() || u64::from(limits.workgroup_size) < LANES {
        return None;
    }
    let row = product(&[2, workload.dtype.bytes(), padded(slot.state_size)]);
    let is_one_turn = slot.hidden_size as u64 <= sequence_workgroup(slot.hidden_size as u64, limits);
    let fits = |tile: &Tile| {
        let has_room = u64::from(tile.rows).saturating_mul(row) <= u64::from(limits.workgroup_bytes);
        // An invocation has the weights of one column.
        let has_registers =
            is_one_turn && padded(slot.state_size) / FOUR <= tile.most_depth(phase.kernel.gates());
        has_room && (tile.read != Read::Kept || has_registers)
    };
    let usable = tiles::usable(phase.kernel, workload.dtype, limits).into_iter().filter(fits);
    Some((phase.kernel, usable.collect()))
}

/// The rows that a workgroup takes through all time steps of a layer, if it can.
pub(super) fn sequence_tile(
    slot: &SlotSpec,
    is_paired: bool,
    workload: &Workload,
    limits: &Limits,
) -> Option<Tile> {
    let (kernel, usable) = sequence_tiles(slot, workload, limits)?;
    let directions = if is_paired { 2 } else { 1 };
    match workload.tuning.step {
        Some(asked) => usable.into_iter().find(|&tile| tile == asked),
        None => {
            let shape = Shape {
                rows: workload.batch as u64,
                columns: directions * slot.hidden_size as u64,
                directions,
                depth: padded(slot.state_size) / FOUR,
                steps: workload.steps as u64,
                dtype: workload.dtype,
            };
            (!usable.is_empty()).then(|| tiles::best(kernel, &usable, &shape, limits))
        }
    }
}

/// Invocations of a workgroup that computes all units.
pub(super) fn sequence_workgroup(units: u64, limits: &Limits) -> u64 {
    // A software adapter has subgroups of eight, each of which costs.
    let lanes = if limits.machine.is_software { 8 } else { LANES };
    let most = u64::from(limits.workgroup_size.min(MAX_WORKGROUP)) / lanes * lanes;
    units.next_multiple_of(lanes).min(most)
}

/// Steps that one dispatch can take, with at most [`MAX_TURNS`] turns of an invocation's loops in all.
pub(super) fn sequence_steps(slot: &SlotSpec, tile: Tile, limits: &Limits) -> u64 {
    let units = slot.hidden_size as u64;
    let workgroup = sequence_workgroup(units, limits);
    let depth = padded(slot.state_size) / 4;
    let copied = u64::from(tile.rows) * depth * 4;
    let turns = units.div_ceil(workgroup) * (depth + 1) + copied.div_ceil(workgroup) + 1;
    (MAX_TURNS / turns).max(1)
}
