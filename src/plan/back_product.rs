//! The products on the way back: kernel, size and tile of each phase.

use super::builder::Builder;
use super::cost::Shape;
use super::gradient_arrays::Carried;
use super::schedule::{MAX_TURNS, Schedule, sequence_workgroup};
use super::weights::{transposed_depth, transposed_units, units_together};
use super::{Limits, Workload, buffers::binding_bytes, product, tiles};
use crate::Result;
use crate::kernel::{Kernel, Run, Tile};
use crate::network::{Back, Dtype, Network, SlotSpec};

/// The product of a phase, with a transposed weight.
pub(super) struct BackProduct {
    pub kernel: Kernel,
    pub tile: Tile,
    /// As the dispatch computes it.
    pub shape: Shape,
    pub units: u64,
}

impl BackProduct {
    /// The product of a phase; with `ends`, after all time steps, which no sequence has. None of a phase
    /// without one.
    pub fn of(
        builder: &Builder<'_>,
        slots: &[SlotSpec],
        phase: Back,
        ends: bool,
    ) -> Result<Option<BackProduct>> {
        let (network, workload, limits) = (builder.network, builder.workload, builder.limits);
        BackProduct::by(builder.choice.schedule, network, workload, limits, slots, phase, ends)
    }

    /// The same by a schedule.
    pub fn by(
        schedule: Schedule,
        network: &Network,
        workload: &Workload,
        limits: &Limits,
        slots: &[SlotSpec],
        phase: Back,
        ends: bool,
    ) -> Result<Option<BackProduct>> {
        let slot = &slots[0];
        let Some(of) = phase.row().product else { return Ok(None) };
        let together = units_together(limits);
        let in_one = schedule == Schedule::Sequence && phase.is_whole() && !ends;
        let run = if in_one { Run::Sequence } else { Run::Step };
        let kernel = Kernel::Back { phase, is_wide: together > 1, run };
        let units = transposed_units(of, slot);
        let (directions, columns) = (slots.len() as u64, units.div_ceil(together));
        let shape = Shape {
            rows: workload.batch as u64,
            columns: directions * columns,
            directions,
            depth: transposed_depth(of, slot),
            steps: 1,
            dtype: workload.dtype,
        };
        let tile = match in_one {
            true => {
                let shape = Shape { steps: workload.steps as u64, ..shape };
                tiles::tile(kernel, &shape, &workload.tuning, limits)?
            }
            false => {
                // The tile follows the layer's directions, not this dispatch's: every schedule has the same.
                let all = network.direction_count() as u64;
                let shape = Shape { columns: all.saturating_mul(columns), directions: all, ..shape };
                tiles::tile(kernel, &shape, &workload.tuning, limits)?
            }
        };
        let made = BackProduct { kernel, tile, shape, units };
        // The sums of parts lie behind what is carried.
        let carried = Carried::of(workload, slots).len.saturating_add(made.sums_of_parts());
        let fits = product(&[carried, Dtype::F32.bytes()]) <= binding_bytes(limits, Dtype::F32);
        Ok(Some(if fits { made } else { BackProduct { tile: tile.whole(), ..made } }))
    }

    /// Time steps that one dispatch of a sequence takes; one of a step. An invocation's loops are those of
    /// the product, and of the formula for each row and unit.
    pub fn steps_in_one(&self, limits: &Limits) -> u64 {
        if !self.kernel.is_sequence() {
            return 1;
        }
        let columns = self.shape.columns / self.shape.directions;
        let formulas = u64::from(self.tile.rows) * units_together(limits);
        let rounds = columns.div_ceil(sequence_workgroup(columns, limits));
        let turns = rounds * (self.shape.depth + formulas + 2) + 1;
        (MAX_TURNS / turns).max(1)
    }

    /// Numbers of the sums of parts of K, where another dispatch adds them.
    pub fn sums_of_parts(&self) -> u64 {
        match self.tile.parts() {
            1 => 0,
            parts => product(&[u64::from(parts), self.shape.directions, self.shape.rows, self.units]),
        }
    }
}
