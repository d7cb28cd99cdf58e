//! The phases of a time step: one dispatch, or several where a product waits for the result of another
//! product.

use super::Schedule;
use super::weights::units;
use crate::kernel::{Kernel, VECTOR};
use crate::network::{Cell, CellSpec, Equation, Save, SlotSpec};

/// One dispatch of a time step.
pub(super) struct Phase {
    pub equation: Equation,
    pub kernel: Kernel,
    pub index: usize,
    /// True if the result is h_t.
    pub is_last: bool,
    /// True if the result, in another buffer, is the array that is read at the next time step.
    pub alternates: bool,
}

/// The phases of a cell's time step.
pub(super) fn phases(cell: &CellSpec, schedule: Schedule, saves: Option<Save>) -> Vec<Phase> {
    let equations = Cell::equations(cell);
    let last = equations.len() - 1;
    let phase = |(index, equation): (usize, Equation)| Phase {
        equation,
        kernel: match equation {
            Equation::LstmProduct => Kernel::Gemm,
            Equation::LstmNorm => saves.map_or(Kernel::Norm, Kernel::SavedNorm),
            // A product that another product waits for is not a whole step.
            _ if last == 0 && schedule == Schedule::Sequence => match saves {
                Some(save) => Kernel::SavedSequence(equation, save),
                None => Kernel::Sequence(equation),
            },
            _ => match saves {
                Some(save) => Kernel::SavedStep(equation, save),
                None => Kernel::Step(equation),
            },
        },
        index,
        is_last: index == last,
        alternates: last == 0 && schedule != Schedule::Sequence,
    };
    equations.into_iter().enumerate().map(phase).collect()
}

/// The facts about a slot that change a phase's kernel.
pub(super) struct Bound {
    pub has_lengths: bool,
    pub is_paired: bool,
    pub keeps_steps: bool,
    pub keeps_cells: bool,
    pub saves: bool,
    /// The one direction is the reverse one.
    pub is_reverse: bool,
}

impl Phase {
    /// The units that it computes.
    pub fn units(&self, slot: &SlotSpec) -> u64 {
        self.equation.product().map_or(slot.hidden_size as u64, |product| units(product, slot))
    }

    /// The row length of its result, in vectors of four.
    pub fn result_depth(&self, slot: &SlotSpec) -> u64 {
        match self.kernel {
            // All gates of a unit make up a vector.
            Kernel::Gemm => slot.hidden_size as u64,
            _ => self.units(slot).div_ceil(VECTOR as u64),
        }
    }

    /// The kernel reads or writes one number per unit in the place of a cell state.
    pub fn uses_cell_state(&self) -> bool {
        let row = self.equation.row();
        row.reads_c || row.writes_c
    }

    /// The overrides of its kernel: the cell's options, and the facts about the schedule.
    pub fn overrides(&self, cell: &CellSpec, bound: &Bound) -> Vec<(&'static str, f64)> {
        let row = self.equation.row();
        let flag = |is_set: bool| f64::from(u8::from(is_set));
        let in_one = self.kernel.is_sequence();
        let mut overrides = cell.options();
        overrides.extend([
            ("HAS_LENGTHS", flag(bound.has_lengths)),
            ("WRITES_OUTPUT", flag(self.is_last && bound.keeps_steps)),
            ("WRITES_CELLS", flag(bound.keeps_cells && row.writes_c)),
            // h_{t-1} of a unit lies in the array that the product reads, or where h_t is written.
            ("HIDDEN_IS_NEXT", flag(self.index > 0 || in_one)),
            ("ALTERNATES", flag(self.alternates)),
            ("PAIRED", flag(bound.is_paired)),
            ("PARAMETERS", self.equation.parameters(cell) as f64),
            ("SAVES_CELLS", flag(cell.cell.has_cell_state() && row.writes_c)),
        ]);
        if bound.saves && !in_one {
            overrides.push(("REVERSE", flag(bound.is_reverse)));
        }
        overrides
    }
}
