//! The products on the way back: kernel, size and tile of each phase.

use super::builder::Builder;
use super::cost::Shape;
use super::gradient_arrays::Carried;
use super::schedule::Schedule;
use super::weights::{transposed_depth, transposed_units, units_together};
use super::{buffers::binding_bytes, product, tiles};
use crate::Result;
use crate::kernel::{Kernel, Run, Tile};
use crate::network::{Back, Dtype, SlotSpec};

/// The product of a phase, with a transposed weight.
pub(super) struct BackProduct {
    pub kernel: Kernel,
    pub tile: Tile,
    /// As the dispatch computes it.
    pub shape: Shape,
    pub units: u64,
}

impl BackProduct {
    /// The product of a phase; with `ends`, after all time steps, which no sequence has. None of a phase without
    /// one.
    pub fn of(
        builder: &Builder<'_>,
        slots: &[SlotSpec],
        phase: Back,
        ends: bool,
    ) -> Result<Option<BackProduct>> {
        let (workload, limits, slot) = (builder.workload, builder.limits, &slots[0]);
        let Some(of) = phase.row().product else { return Ok(None) };
        let together = units_together(limits);
        let in_one = builder.choice.schedule == Schedule::Sequence && phase.is_whole() && !ends;
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
                let all = builder.network.direction_count() as u64;
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

    /// Numbers of the sums of parts of K, where another dispatch adds them.
    pub fn sums_of_parts(&self) -> u64 {
        match self.tile.parts() {
            1 => 0,
            parts => product(&[u64::from(parts), self.shape.directions, self.shape.rows, self.units]),
        }
    }
}
