//! The cut of arrays over time into segments that fit into bindings.

use super::buffers::binding_bytes;
use super::schedule::MAX_TURNS;
use super::weights::{self, WeightPart, columns};
use super::{Limits, Workload, padded, product};
use crate::kernel::VECTOR;
use crate::network::{Dtype, Network, SlotSpec};
use crate::plan::Segment;
use crate::{Error, Result};

/// Numbers in a vector.
const FOUR: u64 = VECTOR as u64;

/// The largest size in bytes of an entry in the table of time steps: the largest alignment that WebGPU
/// allows.
const TABLE_STRIDE: u64 = 256;

/// The most segments of a plan: half a terabyte of the widest array, within WebGPU's defaults.
const MAX_SEGMENTS: u64 = 1 << 12;

/// The most passes of a plan, whose commands the host records: one pass per slot, segment and submit.
const MAX_PASSES: u64 = 1 << 20;

/// Rows of a partial sum over time and batch, at most, unless one time step has more.
const CHUNK: u64 = 1024;

/// How a plan's arrays over time lie in buffers.
pub(super) struct Cut {
    pub segments: Vec<Segment>,
    /// The input's gates of all directions of a layer are computed at once, over all time steps.
    pub shares_gates: bool,
    /// Time steps of a partial sum. A segment has a multiple of them, so that no sum depends on segments.
    pub chunk_steps: u64,
}

impl Cut {
    pub fn new(network: &Network, workload: &Workload, limits: &Limits, title: &str) -> Result<Cut> {
        let (steps, batch) = (workload.steps as u64, workload.batch as u64);
        // A saved call has arrays of f32 too.
        let dtype = if workload.is_saved() { Dtype::F32 } else { workload.dtype };
        let limit = binding_bytes(limits, dtype) / dtype.bytes();
        // The widest rows, in numbers: of an array that a layer reads or writes (`wide`), and of the input's
        // gates of one direction (`one`) and of all directions (`all`).
        let (mut wide, mut one) = (padded(network.input_size), 0);
        for slot in &network.slots {
            wide = wide.max(output_row(network, workload, slot));
            one = one.max(FOUR * columns(slot, workload.is_saved()));
            if workload.is_saved() {
                // The gradient by a layer's output, and by its cell states beside it.
                let directions = network.direction_count() as u64;
                wide = wide.max(directions * (padded(slot.state_size) + padded(slot.hidden_size)));
            }
        }
        // A saved call keeps the state that each segment starts from, in a step of its own.
        let more = u64::from(workload.is_saved());
        let all = one.saturating_mul(network.direction_count() as u64);
        // The limit is that of every adapter, so that its bindings do not change the bits of a sum.
        let default = binding_bytes(&Limits::default(), dtype) / dtype.bytes();
        let in_default = (default / product(&[batch, wide.max(one)]).max(1)).saturating_sub(more);
        let chunk_steps = (CHUNK / batch).clamp(1, in_default.max(1));
        // The table of time steps, which a plan has where time steps are not immediate data, needs one more
        // entry than steps.
        let most = (limits.max_buffer_bytes / TABLE_STRIDE).saturating_sub(1).clamp(1, steps);
        let fits = |row: u64| most == steps && product(&[steps + more, batch, wide.max(row)]) <= limit;
        let shares_gates = fits(all) && gemm_fits(network, workload, limits);
        let each = if shares_gates || fits(one) {
            steps
        } else {
            let each = (limit / product(&[batch, wide.max(one)]).max(1)).saturating_sub(more).clamp(1, most);
            // A saved call's sums are over whole segments.
            let whole = each - each % chunk_steps;
            if workload.is_saved() && whole > 0 { whole } else { each }
        };
        let segments = steps.div_ceil(each);
        let passes = (network.slots.len() as u64).saturating_mul(steps.div_ceil(each.min(256)));
        for (needed, limit, unit) in [(segments, MAX_SEGMENTS, "segments"), (passes, MAX_PASSES, "passes")] {
            if needed > limit {
                let (what, holder) = (format!("time in {title}"), "a plan");
                return Err(Error::TooLarge { what, needed, limit, unit, holder });
            }
        }
        Ok(Cut { segments: Segment::cut(steps, each), shares_gates, chunk_steps })
    }

    /// Rows of a partial sum. A step of more rows than a loop has turns is summed in several.
    pub fn chunk(&self, batch: u64) -> u64 {
        match self.chunk_steps * batch {
            rows if rows > MAX_TURNS => CHUNK,
            rows => rows,
        }
    }

    /// All time steps are in one segment.
    pub fn is_whole(&self) -> bool {
        self.segments.len() == 1
    }
}

/// Numbers of a slot's output per batch row and step, the kept cell states among them.
pub(super) fn output_row(network: &Network, workload: &Workload, slot: &SlotSpec) -> u64 {
    let is_top = slot.layer + 1 == network.num_layers;
    if workload.is_saved() {
        // All of h, and c in an array of its own.
        return padded(slot.state_size);
    }
    let h = if is_top && workload.outputs.last_only { 0 } else { padded(slot.state_size) };
    let c = if is_top && workload.outputs.cell_states { slot.hidden_size as u64 } else { 0 };
    h + c
}

/// True if a kernel can see the input's weights of all directions of each layer at once.
fn gemm_fits(network: &Network, workload: &Workload, limits: &Limits) -> bool {
    network.layers().all(|slots| {
        let len = WeightPart::InputWeight.len(network, &slots[0]);
        weights::fit_together(network, limits, len, workload.dtype)
    })
}
