//! The schedules, and the choice of one.

use super::buffers::binding_bytes;
use super::cut::{Cut, output_row};
use super::steps::phases;
use super::weights::{WeightPart, fit_together};
use super::{Limits, Workload, padded, product, tiles};
use crate::kernel::{Kernel, Tile};
use crate::network::{Cell, Dtype, Equation, Network, Product, SlotSpec};
use crate::{Error, Result};

/// The recurrent weights of a layer and direction that a workgroup reads again for every step in less time
/// than a dispatch takes, in bytes: measured on lavapipe; on an NVIDIA card it should take 0.6 us, and a
/// dispatch 2.2 (estimated, not measured).
const SMALL_WEIGHT: u64 = 64 << 10;

/// Invocations of a workgroup that has all units: whole blocks of them, and no more than is sure to be had.
const LANES: u64 = 32;
const MAX_WORKGROUP: u32 = 256;

/// The most turns of all loops of an invocation: lavapipe ends the loops, silently, after 65,535 turns.
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
    let weight_bytes =
        |slot: &SlotSpec| product(&[workload.dtype.bytes(), slot.gate_rows() as u64, slot.state_size as u64]);
    let is_small = network.slots.iter().all(|slot| weight_bytes(slot) <= SMALL_WEIGHT);
    // The last schedule is the best. Large networks are an exception to `Sequence`, since one workgroup reads
    // their weights too slowly.
    let is_good = |schedule: &Schedule| *schedule != Schedule::Sequence || is_small;
    let best = possible.iter().copied().rfind(is_good).unwrap_or(Schedule::Stepwise);
    let schedule = match (workload.tuning.schedule, workload.tuning.step) {
        (Some(Schedule::Sequence), Some(tile)) if !possible.contains(&Schedule::Sequence) => {
            let usable = tiles::usable(Kernel::Sequence(Equation::Rnn), workload.dtype, limits);
            let names: Vec<_> = usable.iter().map(Tile::to_string).collect();
            let expected = format!("one of {}, and few enough rows, for a sequence", names.join(", "));
            return Err(Error::Unsupported { name: "step tile", expected, found: tile.to_string() });
        }
        (Some(asked), _) if !possible.contains(&asked) => {
            let names: Vec<_> = possible.iter().map(|schedule| schedule.name()).collect();
            let expected = format!("{} for this network and size", names.join(" or "));
            return Err(Error::Unsupported { name: "schedule", expected, found: asked.name().into() });
        }
        (asked, _) => asked.unwrap_or(best),
    };
    Ok(Choice { schedule, is_paired: can_pair && schedule != Schedule::Stepwise })
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

/// The rows that a workgroup takes through all time steps of a layer, if it can.
pub(super) fn sequence_tile(
    slot: &SlotSpec,
    is_paired: bool,
    workload: &Workload,
    limits: &Limits,
) -> Option<Tile> {
    let phases = phases(&slot.cell, Schedule::Sequence, workload.saves);
    let [phase] = phases.as_slice() else { return None };
    if !phase.kernel.is_sequence() || u64::from(limits.workgroup_size) < LANES {
        return None;
    }
    let row = product(&[2, workload.dtype.bytes(), padded(slot.state_size)]);
    let fits = |tile: &Tile| u64::from(tile.rows).saturating_mul(row) <= u64::from(limits.workgroup_bytes);
    let directions = if is_paired { 2 } else { 1 };
    let batch = workload.batch as u64;
    let usable = tiles::usable(phase.kernel, workload.dtype, limits).into_iter().filter(fits);
    match workload.tuning.step {
        Some(asked) => usable.into_iter().find(|&tile| tile == asked),
        None => {
            let spread = spread_tiles(usable.collect(), batch, directions);
            let columns = directions * slot.hidden_size as u64;
            (!spread.is_empty()).then(|| tiles::best(&spread, batch, columns, limits))
        }
    }
}

/// The tiles by which two cores at least have something to do.
pub(super) fn spread_tiles(mut tiles: Vec<Tile>, batch: u64, directions: u64) -> Vec<Tile> {
    let groups = |tile: &Tile| batch.div_ceil(u64::from(tile.rows)).saturating_mul(directions);
    tiles.retain(|tile| tile.rows == 1 || groups(tile) >= 2);
    tiles
}

/// Invocations of a workgroup that computes all units.
pub(super) fn sequence_workgroup(units: u64, limits: &Limits) -> u64 {
    // A software adapter has subgroups of eight, each of which costs.
    let lanes = if limits.is_software { 8 } else { LANES };
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
